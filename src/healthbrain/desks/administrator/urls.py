"""Addresses of the administrator's and the auditor's desk."""

from django.urls import path

from healthbrain.desks.administrator import audit, views
from healthbrain.desks.navigation import Entry

NAVIGATION = (
    Entry("/administrator", "users", "账号", "Accounts", "accounts.manage"),
    Entry("/administrator/roles", "shield-check", "角色", "Roles", "accounts.manage"),
    Entry("/administrator/audit", "history", "审计日志", "Audit log", "audit.read"),
)

urlpatterns = [
    path("administrator", views.accounts, name="accounts"),
    path("administrator/accounts/new", views.new, name="account-new"),
    path("administrator/accounts/<int:account_id>", views.account, name="account-detail"),
    path("administrator/accounts/<int:account_id>/<str:action>", views.change, name="account-change"),
    path("administrator/roles", views.roles, name="roles"),
    path("administrator/audit", audit.log, name="audit"),
    path("administrator/audit/verify", audit.verify, name="audit-verify"),
]
