from django.apps import AppConfig


class DispatchConfig(AppConfig):
    name = "healthbrain.dispatch"
    label = "dispatch"

    def ready(self) -> None:
        from healthbrain.residents.actions import follows

        tables = ("dispatch_call", "dispatch_application", "dispatch_homebed", "dispatch_booking")
        follows(*((table, "resident_id") for table in tables))
