"""Where stations should stand: the planner says what counts, sees the best plan on the map, simulates or exports it."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_GET

from healthbrain.access.gate import page
from healthbrain.desks.bureau.workbook import Sheet, hand_out
from healthbrain.desks.dispatcher import maps
from healthbrain.desks.i18n import t
from healthbrain.desks.shell import as_of, render
from healthbrain.dispatch.queries import planning
from healthbrain.dispatch.queries import siting as best
from healthbrain.kernel.errors import HealthBrainError, Invalid

# name, what it looks for, as the planner would say it
MODELS = {
    "mclp": (
        ("站数已定：最多的呼救在时限内（MCLP）", "So many sites: most calls in time (MCLP)"),
        ("把给定的站数放在能让最多呼救在时限内到达的地方", "puts a given number of sites where most calls are in time"),
    ),
    "mexclp": (
        ("车数已定：算上车会被占用（MEXCLP）", "So many vehicles: busy ones counted (MEXCLP)"),
        ("车可能正忙，所以忙的地方值得多放一辆", "a vehicle may be busy, so that busy places deserve another one"),
    ),
    "double-standard": (
        ("双重标准：人人有保底，多数有备车（DSM）", "Double standard: all within reach, most twice (DSM)"),
        (
            "所有呼救在放宽时限内，给定比例在时限内，并让尽量多的呼救有两辆车可到",
            "every call within the wide limit, a given share within the near one, as many as possible twice",
        ),
    ),
    "lscp": (
        ("全覆盖最少要几站（LSCP）", "Fewest sites for everybody (LSCP)"),
        ("能到的地方都在时限内，最少要几站", "the fewest sites that bring every reachable place within the limit"),
    ),
    "p-median": (
        ("平均路程最短（p-中位）", "Shortest drive on average (p-median)"),
        ("让呼救到最近站的平均行车时间最短", "makes the mean drive to the nearest site as short as can be"),
    ),
}
CHANGES = {
    "": ("保留", "stays"),
    "added": ("新增", "new"),
    "closed": ("撤出", "closed"),
    "vehicles": ("车数改变", "other vehicles"),
}


@page(permission="emergency.plan")
@require_GET
def show(request: HttpRequest) -> HttpResponse:
    """Without a model: how today's stations serve. With one: the best there is, proven or with its limit."""
    stations, day = planning.sites_now(), as_of(request)
    actor: Any = request.actor  # type: ignore[attr-defined]
    asked, found, error = best.usual(stations), None, ""
    try:
        if request.GET.get("model"):
            asked = _asked(request)
            found = best.site(actor, asked, day=day)
            if request.GET.get("export") == "xlsx":
                return _workbook(request, found)
    except HealthBrainError as problem:
        found, error = None, str(problem)
    context = {
        "asked": asked,
        "stations": stations,
        "models": MODELS,
        "of_vehicles": best.OF_VEHICLES,
        "found": found,
        "error": error,
        "plane": maps.plane(),
        "marks": _marks(found) if found else maps.legible(maps.fixed_marks()),
        "change_word": lambda key: t(*CHANGES[key]),
        "what_if": f"/dispatch/planning?plan={quote(found.plan)}" if found and found.plan else "",
        "export_url": f"{request.get_full_path()}&export=xlsx",
    }
    return render(request, "dispatcher/siting.html", context)


def _asked(request: HttpRequest) -> best.Asked:
    try:
        more, near, far, share = (float(request.GET.get(name) or 0) for name in ("more", "near", "far", "share"))
        keep = tuple(sorted(int(one) for one in request.GET.getlist("keep")))
        return best.Asked(request.GET["model"], keep, int(more), near, far, share / 100)
    except (ValueError, OverflowError) as error:
        raise Invalid(t("请填数字", "Numbers, please")) from error


def _marks(found: best.Sited) -> list[maps.Mark]:
    """Zones by what changes for them, below stations and names."""
    at = maps.plane()
    zones = [maps.Mark("zone", _told(z), at.px(z.x), at.py(z.y), _tone(z, found.asked.near)) for z in found.zones]
    stations = [
        maps.Mark("station", f"{s.site.name} {t(*CHANGES[s.change])}", at.px(s.site.x), at.py(s.site.y), s.change)
        for s in found.standings
    ]
    return zones + maps.legible([m for m in maps.fixed_marks() if m.kind != "station"] + stations)


def _tone(zone: best.Zone, near: float) -> str:
    before, after = zone.before <= near, zone.after <= near
    return {(True, True): "in-time", (False, True): "gained", (True, False): "lost"}.get((before, after), "late")


def _told(zone: best.Zone) -> str:
    minutes = t("{b} → {a} 分", "{b} → {a} min", b=f"{zone.before:.1f}", a=f"{zone.after:.1f}")
    return f"{zone.name} {minutes}" + (t("（直线估计）", " (straight line)") if zone.estimated else "")


def _workbook(request: HttpRequest, found: best.Sited) -> HttpResponse:
    """Stations, townships and zones, with what was asked and whether it is proven."""
    asked, limit = found.asked, f"{found.asked.near:g}"
    stations = [
        (s.site.name, t(*CHANGES[s.change]), s.before, s.site.vehicles, round(100 * s.share, 1), s.site.x, s.site.y)
        for s in found.standings
    ]
    towns = [
        (
            w.name,
            w.calls,
            round(100 * w.covered_before, 1),
            round(100 * w.covered_after, 1),
            w.mean_before,
            w.mean_after,
        )
        for w in found.towns
    ]
    zones = [(z.name, z.calls, z.before, z.after, t("是", "yes") if z.estimated else "") for z in found.zones]
    near = t("{n} 分内（%）", "Within {n} min (%)", n=limit)
    before, after = t("现状", "today"), t("方案", "plan")
    minutes = t("平均行车（分）", "Mean drive (min)")
    sheets = [
        Sheet(
            t("站点", "Stations"),
            [t("站点", "Station"), t("变化", "Change"), t("现有车", "Vehicles now"), t("方案车", "Vehicles planned"),
             t("最近呼救（%）", "Calls nearest (%)"), "x", "y"],
            stations,
        ),
        Sheet(
            t("乡镇", "Townships"),
            [t("乡镇", "Township"), t("去年呼救", "Calls last year"), f"{near} {before}", f"{near} {after}",
             f"{minutes} {before}", f"{minutes} {after}"],
            towns,
        ),
        Sheet(
            t("村和社区", "Villages"),
            [t("地点", "Place"), t("去年呼救", "Calls last year"), f"{t('行车（分）', 'Drive (min)')} {before}",
             f"{t('行车（分）', 'Drive (min)')} {after}", t("直线估计", "Straight line")],
            zones,
        ),
    ]  # fmt: skip
    proof = t("已证明最优", "proven optimal") if found.proven else t("未证明最优", "not proven optimal")
    notes = [t(*MODELS[asked.model][0]), f"{proof}; {found.value:.4f} ({found.bound:.4f})"]
    return hand_out(request, t("急救站选址", "Siting"), sheets, notes)
