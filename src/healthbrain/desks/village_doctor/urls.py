"""Addresses of the village doctor's desk."""

from django.urls import path

from healthbrain.desks.navigation import Entry
from healthbrain.desks.village_doctor import group, views, visit

NAVIGATION = (
    Entry("/work", "list-checks", "今日", "Today", "care.work"),
    Entry("/work/group", "table", "集体随访", "Group visit", "care.work"),
)

urlpatterns = [
    path("work", views.today, name="work"),
    path("work/tasks/<int:task_id>/why", views.why, name="work-why"),
    path("work/residents/<int:resident_id>", views.resident, name="work-resident"),
    path("work/residents/<int:resident_id>/visit/<str:form_id>", visit.visit, name="work-visit"),
    path("work/residents/<int:resident_id>/sheet/<str:form_id>.pdf", visit.sheet_pdf, name="work-sheet-pdf"),
    path("work/residents/<int:resident_id>/sheet/<str:form_id>", visit.sheet, name="work-sheet"),
    path("work/visits/<int:batch_id>", visit.saved, name="work-saved"),
    path("work/visits/undo", visit.undo, name="work-undo"),
    path("work/group", group.grid, name="work-group"),
    path("work/group.xlsx", group.download, name="work-group-download"),
    path("work/group/upload", group.upload, name="work-group-upload"),
]
