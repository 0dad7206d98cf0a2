"""Start-up: listen to the rooms whose news are cases."""

from django.apps import AppConfig


class SurveillanceConfig(AppConfig):
    name = "healthbrain.surveillance"
    label = "surveillance"

    def ready(self) -> None:
        from healthbrain.county.events import CallTriaged
        from healthbrain.kernel.bus import subscribe
        from healthbrain.records.events import EventsRecorded
        from healthbrain.residents.actions import follows
        from healthbrain.residents.events import ResidentsChanged
        from healthbrain.surveillance import calls, cases

        subscribe(EventsRecorded, cases.on_events_recorded)
        subscribe(CallTriaged, calls.on_call_triaged)
        subscribe(ResidentsChanged, cases.on_residents_changed)
        follows(("surveillance_caserecord", "resident_id"))
