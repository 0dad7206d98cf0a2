from django.apps import AppConfig


class DesksConfig(AppConfig):
    name = "healthbrain.desks"
    label = "desks"
