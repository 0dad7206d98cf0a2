"""Addresses of the data steward's desk."""

from django.urls import path

from healthbrain.desks.navigation import Entry
from healthbrain.desks.steward import batches, identities, registers, upload

NAVIGATION = (
    Entry("/steward", "database", "数据批次", "Batches", "steward.work"),
    Entry("/steward/upload", "upload", "上传数据", "Upload", "intake.upload"),
    Entry("/steward/rejects", "circle-alert", "退回行", "Rejects", "steward.work"),
    Entry("/steward/reviews", "git-merge", "匹配复核", "Match review", "steward.work"),
    Entry("/steward/quarantine", "octagon-alert", "隔离与登记", "Quarantine", "steward.work"),
)

urlpatterns = [
    path("steward", batches.overview, name="steward"),
    path("steward/batches/<int:batch_id>", batches.detail, name="batch"),
    path("steward/batches/<int:batch_id>/errors", batches.error_sheet, name="batch-errors"),
    path("steward/batches/<int:batch_id>/<str:action>", batches.act, name="batch-act"),
    path("steward/rejects", batches.reject_list, name="rejects"),
    path("steward/upload", upload.choose, name="upload"),
    path("steward/upload/template/<str:name>.<str:form>", upload.template, name="upload-template"),
    path("steward/upload/<str:upload_id>", upload.show, name="upload-show"),
    path("steward/upload/<str:upload_id>/<str:action>", upload.act, name="upload-act"),
    path("steward/reviews", identities.review_list, name="reviews"),
    path("steward/reviews/pair", identities.pair, name="review"),
    path("steward/reviews/<int:review_id>/decide", identities.decide, name="review-decide"),
    path("steward/reviews/<int:review_id>/reopen", identities.reopen, name="review-reopen"),
    path("steward/residents/<int:resident_id>", identities.resident, name="steward-resident"),
    path("steward/residents/<int:resident_id>/unmerge", identities.unmerge, name="unmerge"),
    path("steward/residents/<int:resident_id>/merge", identities.merge, name="merge"),
    path("steward/undo/<uuid:group>", identities.undo, name="undo-links"),
    path("steward/quarantine", registers.quarantine, name="quarantine"),
    path("steward/quarantine/<int:resident_id>/retry", registers.retry, name="quarantine-retry"),
    path("steward/identities/<int:identity_id>/compare", registers.compare, name="identity-compare"),
    path("steward/sources/<int:source_id>", registers.approve, name="source-approve"),
]
