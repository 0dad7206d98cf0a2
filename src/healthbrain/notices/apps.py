from django.apps import AppConfig


class NoticesConfig(AppConfig):
    name = "healthbrain.notices"
    label = "notices"
