"""Addresses of the disease-control officer's desk."""

from django.urls import path

from healthbrain.desks.disease_control import board, boards, papers, people, room
from healthbrain.desks.navigation import Entry

NAVIGATION = (
    Entry("/signals", "activity", "预警信号", "Signals", "signals.work"),
    Entry("/outbreaks", "siren", "事件", "Events", "signals.read"),
    Entry("/surge", "hospital", "应急资源", "Surge", "signals.read"),
    Entry("/guidance", "clipboard-list", "现场指导", "Guidance", "signals.work"),
    Entry("/channels", "send", "消息通道", "Channels", "signals.work"),
)

urlpatterns = [
    path("signals", board.signal_board, name="signals"),
    path("signals/<int:signal_id>", board.signal_detail, name="signal"),
    path("signals/<int:signal_id>/answer", board.answer, name="signal-answer"),
    path("outbreaks", room.event_list, name="outbreaks"),
    path("outbreaks/<int:event_id>", room.event, name="outbreak"),
    path("outbreaks/<int:event_id>/do/<str:name>", room.sheet, name="outbreak-sheet"),
    path("outbreaks/<int:event_id>/act/<str:action>", room.act, name="outbreak-act"),
    path("outbreaks/<int:event_id>/reveal/<str:kind>/<int:row>/<str:field>", room.reveal, name="outbreak-reveal"),
    path("outbreaks/<int:event_id>/contacts", people.follow_up, name="outbreak-contacts"),
    path("outbreaks/<int:event_id>/contacts/<int:contact_id>", people.record, name="outbreak-contact"),
    path("outbreaks/<int:event_id>/cases/template.xlsx", papers.template, name="outbreak-template"),
    path("outbreaks/<int:event_id>/cases.xlsx", papers.case_sheet, name="outbreak-cases"),
    path("outbreaks/<int:event_id>/report.xlsx", papers.report_sheet, name="outbreak-report-sheet"),
    path("outbreaks/<int:event_id>/report.pdf", papers.report_pdf, name="outbreak-report"),
    path("warnings/<int:warning_id>", boards.warning, name="warning"),
    path("warnings/<int:warning_id>/<str:action>", boards.warning_act, name="warning-act"),
    path("inbox", boards.inbox, name="inbox"),
    path("channels", boards.channels, name="channels"),
    path("channels/retry/<int:delivery_id>", boards.retry, name="delivery-retry"),
    path("surge", boards.surge, name="surge"),
    path("guidance", boards.guidance, name="guidance"),
]
