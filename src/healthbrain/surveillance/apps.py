"""Start-up: listen to the rooms whose news are cases."""

from django.apps import AppConfig


class SurveillanceConfig(AppConfig):
    name = "healthbrain.surveillance"
    label = "surveillance"

    def ready(self) -> None:
        from healthbrain.kernel.bus import subscribe
        from healthbrain.records.events import EventsRecorded
        from healthbrain.residents.events import ResidentsChanged
        from healthbrain.surveillance import cases

        subscribe(EventsRecorded, cases.on_events_recorded)
        subscribe(ResidentsChanged, cases.on_residents_changed)
