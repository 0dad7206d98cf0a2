from django.apps import AppConfig


class SurveillanceConfig(AppConfig):
    name = "healthbrain.surveillance"
    label = "surveillance"
