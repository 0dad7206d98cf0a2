"""Addresses of the dispatcher's desk."""

from django.urls import path

from healthbrain.desks.ambulance import known
from healthbrain.desks.dispatcher import acts, closures, events, fleet, maps, planning, siting, views
from healthbrain.desks.navigation import Entry

NAVIGATION = (
    Entry("/dispatch", "phone", "120 受理调派", "120 calls", "emergency.dispatch"),
    Entry("/dispatch/fleet", "map", "车辆地图", "Fleet map", "emergency.dispatch"),
    Entry("/dispatch/events", "users", "群伤与保障", "Mass events", "emergency.dispatch"),
    Entry("/dispatch/planning", "chart-line", "站点规划", "Planning", "emergency.plan"),
)

urlpatterns = [
    path("dispatch", views.desk, name="dispatch"),
    path("dispatch/queue", views.queue, name="dispatch-queue"),
    path("dispatch/advice", views.advice, name="dispatch-advice"),
    path("dispatch/places", views.places, name="dispatch-places"),
    path("dispatch/calls/<int:call_id>/timeline", views.timeline, name="dispatch-timeline"),
    path("dispatch/people", views.people, name="dispatch-people"),
    path("dispatch/calls/<int:call_id>/known", known.for_desk, name="dispatch-known"),
    path("dispatch/calls/<int:call_id>/patient", acts.link_patient, name="dispatch-unlink"),
    path("dispatch/calls/<int:call_id>/patient/<int:resident_id>", acts.link_patient, name="dispatch-link"),
    path("dispatch/take", acts.take, name="dispatch-take"),
    path("dispatch/ring", acts.ring, name="dispatch-ring"),
    path("dispatch/calls/<int:call_id>/<str:action>", acts.act, name="dispatch-act"),
    path("dispatch/missions/<int:mission_id>/<str:action>", acts.mission_act, name="dispatch-mission-act"),
    path("dispatch/roads/<str:fingerprint>.svg", maps.roads, name="dispatch-roads"),
    path("dispatch/fleet", fleet.show, name="dispatch-fleet"),
    path("dispatch/moves/<int:vehicle_id>/<int:station_id>", fleet.move, name="dispatch-move"),
    path("dispatch/closures", closures.show, name="dispatch-closures"),
    path("dispatch/closures/change", closures.change, name="dispatch-close"),
    path("dispatch/closures/<int:change_id>/lift", closures.lift, name="dispatch-lift"),
    path("dispatch/events", events.listing, name="dispatch-events"),
    path("dispatch/events/open", events.open_one, name="dispatch-event-open"),
    path("dispatch/events/<int:event_id>", events.show, name="dispatch-event"),
    path("dispatch/events/<int:event_id>/<str:action>", events.act, name="dispatch-event-act"),
    path("dispatch/planning", planning.show, name="dispatch-planning"),
    path("dispatch/planning/siting", siting.show, name="dispatch-siting"),
    path("dispatch/planning/figures", planning.figures, name="dispatch-planning-figures"),
]
