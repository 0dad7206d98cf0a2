"""All addresses. Each view declares its permission; `access.checks` refuses to start otherwise."""

from django.urls import include, path, re_path

urlpatterns = [
    re_path(r"^fhir(?:/|$)", include("healthbrain.records.api")),
    path("", include("healthbrain.desks.urls")),
]
