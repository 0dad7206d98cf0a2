"""Addresses of the hospital doctor's desk."""

from django.urls import path

from healthbrain.desks.hospital_doctor import views
from healthbrain.desks.navigation import Entry

NAVIGATION = (Entry("/find", "search", "查找居民", "Find a resident", "record.search"),)

urlpatterns = [
    path("find", views.find, name="find"),
    path("find/purpose", views.set_purpose, name="set-purpose"),
    path("residents/<int:resident_id>", views.show, name="record"),
    path("residents/<int:resident_id>/entry/<uuid:key>", views.entry, name="record-entry"),
    path("residents/<int:resident_id>/results/<path:panel>", views.trend, name="record-trend"),
    path("residents/<int:resident_id>/record.pdf", views.pdf, name="record-pdf"),
    path("residents/<int:resident_id>/reveal/<str:field>", views.reveal, name="reveal"),
    path("residents/<int:resident_id>/break-glass", views.break_glass, name="break-glass"),
]
