"""Addresses of the bureau's desk."""

from django.urls import path

from healthbrain.desks.bureau import views
from healthbrain.desks.navigation import Entry

NAVIGATION = (Entry("/county", "layout-dashboard", "全区一页", "The county", "indicators.read"),)

urlpatterns = [
    path("county", views.county, name="county"),
    path("county/definition/<str:key>", views.define, name="county-definition"),
    path("county/list", views.people, name="county-list"),
    path("county/list.xlsx", views.people_export, name="county-list-export"),
    path("county/export/<str:block>.xlsx", views.export, name="county-export"),
]
