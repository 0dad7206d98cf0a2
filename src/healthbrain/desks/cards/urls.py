"""Addresses of the report cards."""

from django.urls import path

from healthbrain.desks.cards import views
from healthbrain.desks.navigation import Entry

NAVIGATION = (Entry("/cards", "file-text", "传染病报卡", "Report cards", "cases.report"),)

urlpatterns = [
    path("cards", views.listed, name="cards"),
    path("cards/new/<int:resident_id>", views.new, name="card-new"),
    path("cards/<int:card_id>", views.one, name="card"),
    path("cards/<int:card_id>/entered", views.entered, name="card-entered"),
    path("cards/<int:card_id>/withdraw", views.withdraw, name="card-withdraw"),
]
