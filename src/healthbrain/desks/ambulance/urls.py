"""Addresses of the crew's phone and the hospital's arrival board."""

from django.urls import path

from healthbrain.desks.ambulance import arrivals, crew, feeds, known
from healthbrain.desks.navigation import Entry

NAVIGATION = (
    Entry("/crew", "siren", "本车任务", "My mission", "emergency.crew"),
    Entry("/arrivals", "hospital", "急救到院", "Arrivals", "emergency.arrivals"),
)

urlpatterns = [
    path("api/emergency/positions", feeds.positions, name="emergency-positions"),
    path("api/emergency/ring", feeds.ring, name="emergency-ring"),
    path("crew", crew.show, name="crew"),
    path("crew/position", crew.position, name="crew-position"),
    path("crew/missions/<int:mission_id>/<str:action>", crew.act, name="crew-act"),
    path("crew/calls/<int:call_id>/known", known.for_crew, name="crew-known"),
    path("arrivals", arrivals.board, name="arrivals"),
    path("arrivals/state", arrivals.state, name="arrivals-state"),
    path("arrivals/calls/<int:call_id>/known", known.for_hospital, name="arrivals-known"),
    path("arrivals/ecg/<int:ecg_id>", arrivals.ecg, name="arrivals-ecg"),
]
