"""Messages: quiet hours, digests, retries, and a real HTTP server that takes, refuses, breaks and keeps silent."""

from __future__ import annotations

import datetime as dt
import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from healthbrain.kernel.clock import COUNTY_ZONE
from healthbrain.kernel.errors import Invalid
from healthbrain.notices import actions as notices
from healthbrain.notices import rules as delivering
from healthbrain.notices.models import Delivery, Notification
from healthbrain.surveillance.actions import notify

from .conftest import NINE, later


class Robot(BaseHTTPRequestHandler):
    """A group robot: answers as told, keeps what it got."""

    answers: ClassVar[list[tuple[int, bytes]]] = []
    got: ClassVar[list[tuple[str, dict[str, Any]]]] = []

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        self.got.append((self.path, json.loads(self.rfile.read(length))))
        self._answer()

    def do_GET(self) -> None:
        self.got.append((self.path, {}))
        self._answer()

    def _answer(self) -> None:
        status, said = self.answers.pop(0) if self.answers else (200, b'{"errcode": 0, "errmsg": "ok"}')
        self.send_response(status)
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def robot():
    Robot.answers.clear()
    Robot.got.clear()
    server = HTTPServer(("127.0.0.1", 0), Robot)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/robot/send?access_token=x"
    server.shutdown()


def channel(world, address: str, **more: Any) -> int:
    return notices.save_channel(by=world.officer, **({"kind": "wecom", "name": "疾控群", "address": address} | more))


def tell(level: str = "urgent", title: str = "新信号", at: dt.datetime = NINE, **more: Any) -> int:
    return notify.tell_officers(level=level, title=title, text="三(2)班呕吐 6 人", at=at, **more)


@pytest.mark.django_db
def test_a_message_arrives_in_the_robots_form(world, robot):
    channel(world, robot)
    assert tell() == 1
    assert notices.deliver_due(NINE) == 1
    path, body = Robot.got[0]
    assert path == "/robot/send?access_token=x"
    assert body == {"msgtype": "text", "text": {"content": "新信号\n三(2)班呕吐 6 人"}}
    assert notices.deliver_due(later(hours=1)) == 0  # once


@pytest.mark.django_db
def test_dingtalks_address_is_signed(world, robot):
    channel(world, robot, kind="dingtalk", secret="SECabc")
    tell()
    notices.deliver_due(NINE)
    assert Robot.got[0][0].startswith(f"/robot/send?access_token=x&timestamp={int(NINE.timestamp() * 1000)}&sign=")


def test_the_signature_is_dingtalks():
    # worked with openssl: printf '1700000000000\nSECabc' | openssl dgst -sha256 -hmac SECabc -binary | base64
    moment = dt.datetime.fromtimestamp(1700000000, COUNTY_ZONE)
    assert delivering.signed("https://x/?a=1", "SECabc", moment) == (
        "https://x/?a=1&timestamp=1700000000000&sign=jcUpW0QmtKduN03n4JqQ0PBosVjqnM8gU7fIIvsDmCM%3D")  # fmt: skip
    assert delivering.signed("https://x/", "", moment) == "https://x/"


@pytest.mark.django_db
def test_what_fails_is_tried_again_and_then_given_up(world, robot):
    channel(world, robot)
    tell()
    Robot.answers[:] = [(500, b"no"), (200, b'{"errcode": 93000, "errmsg": "invalid webhook"}'), (200, b"<html>")]
    at = NINE
    for attempt, wait in ((1, 30), (2, 60), (3, 120)):
        assert notices.deliver_due(at) == 0
        one = Delivery.objects.get()
        assert (one.status, one.attempts, one.next_at) == ("queued", attempt, at + dt.timedelta(seconds=wait))
        assert one.error
        assert notices.deliver_due(at + dt.timedelta(seconds=wait - 1)) == 0  # not before its time
        assert len(Robot.got) == attempt
        at += dt.timedelta(seconds=wait)
    assert notices.deliver_due(at) == 1
    assert Delivery.objects.get().status == "sent"


@pytest.mark.django_db
def test_a_dead_address_ends_as_failed_with_its_reason(world, robot):
    channel(world, "http://127.0.0.1:1/none")
    tell()
    at = NINE
    for _ in range(delivering.MOST_ATTEMPTS):
        notices.deliver_due(at)
        at = Delivery.objects.get().next_at
    one = Delivery.objects.get()
    assert (one.status, one.attempts) == ("failed", 6)
    assert "refused" in one.error
    assert Notification.objects.count() == 1  # the inbox has it whatever the network says
    notices.try_again(by=world.officer, delivery_id=one.pk, at=at)
    assert Delivery.objects.get().status == "queued"


@pytest.mark.django_db
def test_without_a_gateway_no_sms_is_said_to_have_gone(world):
    channel(world, "15400001234", kind="sms")
    tell()
    notices.deliver_due(NINE)
    one = Delivery.objects.get()
    assert (one.status, one.sent_at, one.error) == ("queued", None, "no SMS gateway is connected")


@pytest.fixture
def gateway(robot, settings):
    """An SMS gateway that wants JSON, with a key; its templates as an operator's manual gives them."""
    settings.SMS_GATEWAY = {
        "url": robot.split("?")[0],
        "body": '{"apikey": "{key}", "mobile": "{phone}", "content": {"text": "{text}"}}',
        "taken": '"code":0',
        "key": 'k"1',
    }


@pytest.mark.django_db
def test_an_sms_goes_out_in_the_gateways_form(world, gateway):
    channel(world, "15400001234", kind="sms")
    tell(title='新"信号"')
    Robot.answers[:] = [(200, b'{"code":0}')]
    assert notices.deliver_due(NINE) == 1
    assert Robot.got == [
        ("/robot/send", {"apikey": 'k"1', "mobile": "15400001234", "content": {"text": '新"信号"\n三(2)班呕吐 6 人'}})
    ]
    assert Delivery.objects.get().status == "sent"


@pytest.mark.django_db
def test_a_gateway_by_address_gets_everything_quoted(world, gateway, settings):
    settings.SMS_GATEWAY |= {"body": "", "taken": ""}
    settings.SMS_GATEWAY["url"] += "?to={phone}&msg={text}&key={key}"
    Delivery.objects.create(phone="15400001234", text="复查 & 取药", queued_at=NINE, next_at=NINE)
    assert notices.deliver_due(NINE) == 1
    assert Robot.got[0][0] == "/robot/send?to=15400001234&msg=%E5%A4%8D%E6%9F%A5+%26+%E5%8F%96%E8%8D%AF&key=k%221"


@pytest.mark.django_db
def test_an_sms_that_fails_is_tried_again_and_the_key_is_in_no_log(world, gateway):
    channel(world, "15400001234", kind="sms")
    tell()
    Robot.answers[:] = [(500, b"no"), (200, b'{"code":7,"apikey":k"1}'), (200, b'{"code":0}')]
    reasons, at = [], NINE
    for wait in (30, 60):
        assert notices.deliver_due(at) == 0
        one = Delivery.objects.get()
        assert (one.status, one.next_at) == ("queued", at + dt.timedelta(seconds=wait))
        reasons.append(one.error)
        at = one.next_at
    assert reasons == ["HTTP Error 500: Internal Server Error", 'the gateway did not take it: {"code":7,"apikey":***}']
    assert notices.deliver_due(at) == 1
    one = Delivery.objects.get()
    assert (one.status, one.attempts, one.error) == ("sent", 3, "")


@pytest.mark.django_db
def test_a_digest_gathers_and_urgent_ones_do_not_wait(world, robot):
    channel(world, robot, digest_minutes=60)
    tell("due", "一")
    tell("due", "二", at=later(minutes=10))
    tell("urgent", "三", at=later(minutes=20))
    assert notices.deliver_due(later(minutes=20)) == 1
    assert Robot.got[0][1]["text"]["content"].startswith("三")
    assert notices.deliver_due(later(minutes=60)) == 1
    assert [line for line in Robot.got[1][1]["text"]["content"].splitlines() if len(line) == 1] == ["一", "二"]
    assert Delivery.objects.get(count=2).status == "sent"


@pytest.mark.django_db
def test_nights_are_quiet_but_not_for_urgent_ones(world, robot):
    channel(world, robot, quiet_from=dt.time(22), quiet_to=dt.time(7))
    night = NINE.replace(hour=23)
    tell("due", "夜", at=night)
    assert notices.deliver_due(night) == 0
    assert Delivery.objects.get().next_at == NINE.replace(day=11, hour=7)
    tell("urgent", "急", at=night)
    assert notices.deliver_due(night) == 1


@pytest.mark.django_db
def test_the_same_thing_is_told_once(world, robot):
    channel(world, robot)
    assert tell(key="signal:1") == 1
    assert tell(key="signal:1") == 0
    assert (Delivery.objects.count(), Notification.objects.count()) == (1, 1)


@pytest.mark.django_db
@pytest.mark.parametrize("bad", [
    {"kind": "sms", "address": "123"}, {"address": "ftp://x/"}, {"address": "file:///etc/passwd"}, {"kind": "fax"},
])  # fmt: skip
def test_an_address_that_cannot_be_one_is_refused(world, bad):
    with pytest.raises(Invalid):
        channel(world, **({"address": "https://x/"} | bad))


@pytest.mark.parametrize(("hour", "day", "until"), [(21, 10, 21), (22, 10, 31), (23, 10, 31), (3, 10, 7), (7, 10, 7)])
def test_quiet_hours_over_midnight(hour, day, until):
    at = NINE.replace(hour=hour)
    expected = NINE.replace(hour=0) + dt.timedelta(hours=until)
    assert delivering.after_quiet(at, dt.time(22), dt.time(7)) == expected


@given(st.datetimes(timezones=st.just(COUNTY_ZONE)), st.times(), st.times())
def test_what_comes_out_of_quiet_hours_is_not_quiet(moment, start, end):
    found = delivering.after_quiet(moment, start, end)
    assert found >= moment
    assert delivering.after_quiet(found, start, end) == found
    assert found - moment < dt.timedelta(days=1)


@given(st.text(st.characters(codec="utf-8"), max_size=400), st.integers(20, 300))
def test_a_cut_text_fits_and_stays_whole(text, most):
    found = delivering.cut(text, most)
    assert len(found.encode()) <= most
    assert found == text or text.startswith(found.removesuffix(delivering.ELLIPSIS))
