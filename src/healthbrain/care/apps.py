from django.apps import AppConfig


class CareConfig(AppConfig):
    name = "healthbrain.care"
    label = "care"

    def ready(self) -> None:
        from healthbrain.residents.actions import follows

        follows(("care_deferral", "resident_id"))
