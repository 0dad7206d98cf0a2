from django.apps import AppConfig


class ResidentsConfig(AppConfig):
    name = "healthbrain.residents"
    label = "residents"
