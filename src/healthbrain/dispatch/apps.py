from django.apps import AppConfig


class DispatchConfig(AppConfig):
    name = "healthbrain.dispatch"
    label = "dispatch"
