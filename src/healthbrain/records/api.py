"""Addresses of the FHIR R4 API, below /fhir."""

from __future__ import annotations

from django.urls import path, re_path

from healthbrain.records.fhir import views

app_name = "fhir"
urlpatterns = [
    path("", views.root),
    path("metadata", views.metadata),
    path("_search", views.search_by_post),
    path("_history", views.history),
    path("Patient/$match", views.match),
    path("Patient/<str:own>/$everything", views.everything),
    path("<str:kind>/$validate", views.validate),
    path("<str:kind>/<str:own>/$validate", views.validate),
    path("<str:kind>/_search", views.search_by_post),
    path("<str:kind>/_history", views.history),
    path("<str:kind>", views.resource_type),
    path("<str:kind>/<str:own>", views.instance),
    path("<str:kind>/<str:own>/_history", views.history),
    re_path(r"^Patient/(?P<own>[^/]+)/(?P<kind>[A-Z][A-Za-z]*)$", views.compartment),
    path("<str:kind>/<str:own>/_history/<str:number>", views.version),
    re_path(r"^(?P<rest>.*)$", views.unknown),
]
