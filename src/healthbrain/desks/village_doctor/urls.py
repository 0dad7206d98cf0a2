"""Addresses of the village doctor's desk."""

from django.urls import path

from healthbrain.desks.navigation import Entry
from healthbrain.desks.village_doctor import along, group, views, visit

NAVIGATION = (
    Entry("/today", "list-checks", "今日", "Today", "care.work"),
    Entry("/today/group", "table", "集体随访", "Group visit", "care.work"),
)

urlpatterns = [
    path("today", views.today, name="today"),
    path("today/tasks/<int:task_id>/why", views.why, name="today-why"),
    path("today/tasks/<int:task_id>/hold", views.hold, name="today-hold"),
    path("today/residents/<int:resident_id>", views.resident, name="today-resident"),
    path("today/residents/<int:resident_id>/visit/<str:form_id>", visit.visit, name="today-visit"),
    path("today/residents/<int:resident_id>/sheet/<str:sheet_id>.pdf", visit.sheet_pdf, name="today-sheet-pdf"),
    path("today/residents/<int:resident_id>/sheet/<str:sheet_id>", visit.sheet, name="today-sheet"),
    path("today/visits/<int:batch_id>", visit.saved, name="today-saved"),
    path("today/visits/undo", visit.undo, name="today-undo"),
    path("today/worker.js", along.worker, name="today-worker"),
    path("today/along", along.along, name="today-along"),
    path("today/along/residents/<int:resident_id>/visit/<str:form_id>", along.hand_in, name="today-hand-in"),
    path("today/group", group.grid, name="today-group"),
    path("today/group.xlsx", group.download, name="today-group-download"),
    path("today/group/upload", group.upload, name="today-group-upload"),
]
