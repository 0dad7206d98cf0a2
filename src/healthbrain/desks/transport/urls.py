"""Addresses of the transport desks."""

from django.urls import path

from healthbrain.desks.navigation import Entry
from healthbrain.desks.transport import board, booking, drive, fleet, log

NAVIGATION = (
    Entry("/transport", "calendar-clock", "转运安排", "Transport day", "transport.plan"),
    Entry("/transport/vehicles", "settings", "车辆和班次", "Vehicles and shifts", "transport.plan"),
    Entry("/transport/log", "clipboard-list", "行程记录", "Trip log", "transport.plan"),
    Entry("/transport/book", "calendar", "预约转运", "Book transport", "transport.book"),
    Entry("/transport/drive", "send", "本车行程", "My trips", "transport.drive"),
)

urlpatterns = [
    path("transport", board.show, name="transport"),
    path("transport/plan", board.plan, name="transport-plan"),
    path("transport/release", board.release, name="transport-release"),
    path("transport/day.xlsx", board.export, name="transport-export"),
    path("transport/book", booking.book, name="transport-book"),
    path("transport/bookings/<int:booking_id>", booking.show, name="transport-booking"),
    path("transport/bookings/<int:booking_id>/<str:action>", booking.act, name="transport-booking-act"),
    path("transport/log", log.show, name="transport-log"),
    path("transport/drive", drive.show, name="transport-drive-own"),
    path("transport/drive/<int:vehicle_id>", drive.show, name="transport-drive"),
    path("transport/vehicles", fleet.show, name="transport-vehicles"),
    path("transport/vehicles/<int:vehicle_id>/working", fleet.working, name="transport-working"),
    path("transport/vehicles/<int:vehicle_id>/crew", fleet.crew, name="transport-crew"),
    path("transport/rides/<int:ride_id>/phoned", fleet.phoned, name="transport-phoned"),
    path("transport/rides/<int:ride_id>/<str:step>", drive.step, name="transport-step"),
]
