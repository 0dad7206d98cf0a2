"""Only the FHIR API, so that these tests do not wait for any page."""

from django.urls import include, re_path

urlpatterns = [re_path(r"^fhir(?:/|$)", include("healthbrain.records.api"))]
