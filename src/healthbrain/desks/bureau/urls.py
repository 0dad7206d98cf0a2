"""Addresses of the bureau's desk."""

from django.urls import path

from healthbrain.desks.bureau import outbreaks, views
from healthbrain.desks.navigation import Entry

NAVIGATION = (
    Entry("/county", "layout-dashboard", "全区一页", "The county", "indicators.read"),
    Entry("/county/outbreaks", "activity", "监测指标", "Surveillance", "signals.read"),
)

urlpatterns = [
    path("county", views.county, name="county"),
    path("county/definition/<str:key>", views.define, name="county-definition"),
    path("county/teams/<int:organisation_id>", views.team, name="county-team"),
    path("county/list", views.people, name="county-list"),
    path("county/outbreaks", outbreaks.outbreaks, name="county-outbreaks"),
    path("county/outbreaks/definition/<str:name>", outbreaks.define, name="county-outbreaks-definition"),
    path("county/outbreaks/export.xlsx", outbreaks.export, name="county-outbreaks-export"),
    path("county/export/<str:block>.xlsx", views.export, name="county-export"),
]
