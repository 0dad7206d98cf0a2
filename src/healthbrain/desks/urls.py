"""Addresses of the web: the shared ones here, each desk's in its folder."""

from django.urls import include, path

from healthbrain.desks import account, common
from healthbrain.desks.navigation import desk_modules

urlpatterns = [
    path("", common.home, name="home"),
    path("preferences", common.preferences, name="preferences"),
    path("preferences/list", common.list_choice, name="list-choice"),
    path("still-here", common.still_here, name="still-here"),
    path("sign-in", account.sign_in, name="sign-in"),
    path("sign-in/<str:token>", account.sign_in_link, name="sign-in-link"),
    path("sign-out", account.sign_out, name="sign-out"),
    path("account", account.account, name="account"),
    path("account/password", account.password, name="account-password"),
    path("account/second-factor", account.second_factor, name="second-factor"),
    *[path("", include(module)) for module in desk_modules()],
]
