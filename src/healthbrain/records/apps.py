from django.apps import AppConfig


class RecordsConfig(AppConfig):
    name = "healthbrain.records"
    label = "records"
