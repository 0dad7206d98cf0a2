"""Start-up: listen to the rooms whose news change facts."""

from django.apps import AppConfig


class FactsConfig(AppConfig):
    name = "healthbrain.facts"

    def ready(self) -> None:
        from healthbrain.facts import actions
        from healthbrain.kernel.bus import subscribe
        from healthbrain.records.events import EventsRecorded
        from healthbrain.residents.events import ResidentsChanged

        subscribe(EventsRecorded, actions.on_events_recorded)
        subscribe(ResidentsChanged, actions.on_residents_changed)
