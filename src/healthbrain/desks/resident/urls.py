"""Addresses of the resident's desk."""

from django.urls import path

from healthbrain.desks.navigation import Entry
from healthbrain.desks.resident import family, guardians, views

NAVIGATION = (
    Entry("/me", "house", "我的健康", "My health", "self.read"),
    Entry("/me/record", "file-text", "我的档案", "My record", "self.read"),
    Entry("/me/family", "users", "家人代办", "Family", "self.family"),
)

urlpatterns = [
    path("me", views.home, name="me"),
    path("me/record", views.my_record, name="me-record"),
    path("me/who", views.who, name="me-who"),
    path("me/family", family.show, name="me-family"),
    path("me/family/back", family.back, name="me-family-back"),
    path("me/family/<int:proxy_id>/act", family.act_for, name="me-family-act"),
    path("me/family/<int:proxy_id>/revoke", family.revoke, name="me-family-revoke"),
    path("residents/<int:resident_id>/proxies", guardians.show, name="proxies"),
    path("residents/<int:resident_id>/proxies/<int:proxy_id>/document", guardians.paper, name="proxy-document"),
    path("residents/<int:resident_id>/proxies/<int:proxy_id>/revoke", guardians.revoke, name="proxy-revoke"),
]
