from django.apps import AppConfig


class AuditConfig(AppConfig):
    name = "healthbrain.audit"
    label = "audit"
