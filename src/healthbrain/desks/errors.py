"""What a person sees when a page cannot be shown: what happened, what it means, what to do. Systems get JSON."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render

from healthbrain.desks.i18n import t
from healthbrain.kernel.errors import HealthBrainError


def answer(request: HttpRequest, message: str, hint: str, status: int) -> HttpResponse:
    """The page of an error, or the same words as JSON."""
    if "application/json" in request.headers.get("Accept", ""):
        return JsonResponse({"message": message, "hint": hint}, status=status)
    return render(request, "error.html", {"error": HealthBrainError(message, hint=hint)}, status=status)


def bad_request(request: HttpRequest, exception: Any = None) -> HttpResponse:
    return answer(
        request,
        t("这次请求读不懂，没有保存任何内容", "This request could not be read; nothing was saved"),
        t("请回到上一页重新打开，再试一次。", "Go back, open the page again and retry."),
        400,
    )


def refused(request: HttpRequest, exception: Any = None) -> HttpResponse:
    return answer(
        request,
        t("您不能打开这个页面", "You may not open this page"),
        t("需要时请本单位负责人为您开通角色。", "If your work needs it, ask the head of your unit for the role."),
        403,
    )


def not_found(request: HttpRequest, exception: Any = None) -> HttpResponse:
    return answer(
        request,
        t("没有这个页面", "There is no such page"),
        t(
            "地址可能抄错了，或内容已合并、撤回。回到工作台，从名单里再打开。",
            "The address may be mistyped, or its content merged or taken back. Open it from the list again.",
        ),
        404,
    )


def broken(request: HttpRequest) -> HttpResponse:
    return answer(
        request,
        t("这一页没能打开，刚才的操作没有保存", "This page could not be shown; what you just did was not saved"),
        t(
            "过一分钟再试。总是这样，请把时间和页面地址告诉本单位的信息人员，日志里有原因。",
            "Try again in a minute. If it stays, tell your IT staff the time and the address: the log has the cause.",
        ),
        500,
    )


def stale_form(request: HttpRequest, reason: str = "") -> HttpResponse:
    """The token of a form was not the session's: signed out meanwhile, or signed in elsewhere in this browser."""
    return answer(
        request,
        t("这张表打开太久或登录已变，没有保存", "The form was open too long or you signed in anew; it was not saved"),
        t(
            "请回到上一页刷新后再提交，草稿还在本机。",
            "Go back, reload and send again; drafts stay on this computer.",
        ),
        403,
    )
