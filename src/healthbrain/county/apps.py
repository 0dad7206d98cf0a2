from django.apps import AppConfig


class CountyConfig(AppConfig):
    name = "healthbrain.county"
    label = "county"
