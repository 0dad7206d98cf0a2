"""Addresses of a place that reports, and of the interface for other departments."""

from django.urls import path

from healthbrain.desks.navigation import Entry
from healthbrain.desks.place import views

NAVIGATION = (Entry("/place", "clipboard-pen", "场所报数", "Places' counts", "places.report"),)

urlpatterns = [
    path("place", views.today, name="place"),
    path("place/sheet", views.upload, name="place-upload"),
    path("place/template.xlsx", views.template, name="place-template"),
    path("api/counts", views.counts, name="api-counts"),
]
