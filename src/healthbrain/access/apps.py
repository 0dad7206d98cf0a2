from django.apps import AppConfig


class AccessConfig(AppConfig):
    name = "healthbrain.access"
    label = "access"

    def ready(self) -> None:
        from healthbrain.access import checks  # noqa: F401  registers the system check
