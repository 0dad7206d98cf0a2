"""Addresses of the school's desk."""

from django.urls import path

from healthbrain.desks.navigation import Entry
from healthbrain.desks.school import sheets, views

NAVIGATION = (
    Entry("/absence", "clipboard-pen", "晨检缺课", "Morning check", "absence.report"),
    Entry("/absence/history", "history", "已报记录", "Told so far", "absence.report"),
)

urlpatterns = [
    path("absence", views.today, name="absence"),
    path("absence/classes/<int:class_id>", views.school_class, name="absence-class"),
    path("absence/rest", views.rest, name="absence-rest"),
    path("absence/reports/<int:report_id>/undo", views.undo, name="absence-undo"),
    path("absence/history", views.history, name="absence-history"),
    path("absence/sheet.xlsx", sheets.download, name="absence-sheet"),
    path("absence/sheet", sheets.upload, name="absence-upload"),
]
