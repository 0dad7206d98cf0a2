"""All addresses. Each view declares its permission; `access.checks` refuses to start otherwise."""

from django.urls import include, path, re_path

handler400 = "healthbrain.desks.errors.bad_request"
handler403 = "healthbrain.desks.errors.refused"
handler404 = "healthbrain.desks.errors.not_found"
handler500 = "healthbrain.desks.errors.broken"
urlpatterns = [
    re_path(r"^fhir(?:/|$)", include("healthbrain.records.api")),
    path("", include("healthbrain.desks.urls")),
]
