"""Addresses of the resident's desk."""

from django.urls import path

from healthbrain.desks.navigation import Entry
from healthbrain.desks.resident import views

NAVIGATION = (
    Entry("/me", "house", "我的健康", "My health", "self.read"),
    Entry("/me/record", "file-text", "我的档案", "My record", "self.read"),
    Entry("/me/who", "eye", "谁看过", "Who looked", "self.read"),
)

urlpatterns = [
    path("me", views.home, name="me"),
    path("me/record", views.my_record, name="me-record"),
    path("me/who", views.who, name="me-who"),
]
