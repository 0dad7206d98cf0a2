"""Addresses of the home-care desks."""

from django.urls import path

from healthbrain.desks.home_care import applying, planning, settling, visiting
from healthbrain.desks.navigation import Entry

NAVIGATION = (
    Entry("/homecare", "house", "今天上门", "My visits", "homecare.visit"),
    Entry("/homecare/plan", "calendar-clock", "居家护理安排", "Home-care day", "homecare.plan"),
    Entry("/homecare/settlement", "file-spreadsheet", "居家护理结算", "Home-care settlement", "homecare.plan"),
    Entry("/homecare/apply", "clipboard-pen", "申请居家护理", "Apply for home care", "homecare.apply"),
)

urlpatterns = [
    path("homecare", visiting.tour, name="homecare"),
    path("homecare/visits/<int:visit_id>", visiting.show, name="homecare-visit"),
    path("homecare/visits/<int:visit_id>/photo", visiting.add_photo, name="homecare-photo-add"),
    path("homecare/photos/<int:photo_id>", visiting.photo, name="homecare-photo"),
    path("homecare/visits/<int:visit_id>/<str:action>", visiting.act, name="homecare-visit-act"),
    path("homecare/plan", planning.show, name="homecare-plan"),
    path("homecare/plan/week", planning.week, name="homecare-week"),
    path("homecare/plan/act/<str:action>", planning.act, name="homecare-plan-act"),
    path("homecare/plan/applications/<int:application_id>", planning.assess, name="homecare-assess"),
    path("homecare/plan/beds/<int:bed_id>", planning.bed, name="homecare-bed"),
    path("homecare/settlement", settling.show, name="homecare-settlement"),
    path("homecare/settlement.xlsx", settling.export, name="homecare-settlement-export"),
    path("homecare/apply", applying.show, name="homecare-apply"),
    path("homecare/apply/<int:application_id>/<str:action>", applying.act, name="homecare-apply-act"),
]
