"""Address of the thresholds and their sources."""

from django.urls import path

from healthbrain.desks.navigation import Entry
from healthbrain.desks.thresholds import views

NAVIGATION = (Entry("/thresholds", "list-checks", "阈值与出处", "Thresholds", "thresholds.read"),)

urlpatterns = [path("thresholds", views.show, name="thresholds")]
