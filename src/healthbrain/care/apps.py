from django.apps import AppConfig


class CareConfig(AppConfig):
    name = "healthbrain.care"
    label = "care"
