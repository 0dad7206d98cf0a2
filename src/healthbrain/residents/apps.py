"""Start-up: who died or was merged may act for nobody."""

from django.apps import AppConfig


class ResidentsConfig(AppConfig):
    name = "healthbrain.residents"
    label = "residents"

    def ready(self) -> None:
        from healthbrain.kernel.bus import subscribe
        from healthbrain.residents import proxies
        from healthbrain.residents.events import ResidentsChanged

        subscribe(ResidentsChanged, proxies.on_residents_changed)
