"""The MLLP listener over a real socket: frames whole and broken, good messages and bad, several senders."""

from __future__ import annotations

import random
import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from healthbrain.county.models import Source
from healthbrain.records import mllp
from healthbrain.records.mllp import Framer, TooLarge
from healthbrain.records.models import Batch, Event, RejectedRow, Resource

ORU = (
    "MSH|^~\\&|LIS01|H01|||20240305083000||ORU^R01|{control}|P|2.5\rPID|1||{person}||{name}||19500307|M\r"
    "OBR|1||{control}|BIO\rOBX|1|NM|14771-0^空腹血糖^LN||{value}|mmol/L|||||F|||20240305080000\r"
)


def oru(control="M1", person="P77", name="张小明", value="7.2"):
    return ORU.format(control=control, person=person, name=name, value=value).encode()


def framed(message):
    return b"\x0b" + message + b"\x1c\r"


@pytest.fixture
def port(transactional_db):
    stop, told, found = threading.Event(), threading.Event(), []
    ready = lambda number: (found.append(number), told.set())  # noqa: E731
    thread = threading.Thread(target=mllp.serve, args=(0,), kwargs={"stop": stop, "ready": ready})
    thread.start()
    assert told.wait(5)
    yield found[0]
    stop.set()
    thread.join(15)
    assert not thread.is_alive()


def connect(port):
    peer = socket.create_connection(("127.0.0.1", port))
    peer.settimeout(10)
    return peer


def answer(peer):
    """One framed reply as segments."""
    data = b""
    while not data.endswith(b"\x1c\r"):
        piece = peer.recv(1)  # one reply and nothing of the next
        if not piece:
            break
        data += piece
    assert data[:1] == b"\x0b"
    return data[1:-2].decode().split("\r")


def test_a_message_is_stored_then_acknowledged(port):
    with connect(port) as peer:
        peer.sendall(framed(oru()))
        msh, msa, *_ = answer(peer)
        assert msa == "MSA|AA|M1|"
        assert msh.split("|")[2:6] == ["", "", "LIS01", "H01"]
        event = Event.objects.get()
        assert (event.code, event.value, event.unit) == ("loinc|14771-0", 7.2, "mmol/L")
        assert event.identity.source_key == "P77"
        assert Source.objects.get(pk=event.identity.source_id).code == "LIS01|H01"
        peer.sendall(framed(oru()))
        assert answer(peer)[1] == "MSA|AA|M1|"
    assert Event.objects.count() == 1
    assert [(b.rows_in, b.stored, b.duplicates) for b in Batch.objects.order_by("id")] == [(1, 1, 0), (1, 0, 1)]


def test_odd_delimiters_and_missing_segments(port):
    odd = oru("M2").replace(b"|", b"#").replace(b"^", b"*")
    bare = b"MSH|^~\\&|LIS01|H01|||20240305||ORU^R01|M3|P|2.5\rPID|1||P78\rOBX|1|NM|2823-3||4.1|mmol/L"
    with connect(port) as peer:
        peer.sendall(framed(odd))
        assert answer(peer)[1] == "MSA#AA#M2#"
        peer.sendall(framed(bare))
        assert answer(peer)[1] == "MSA|AA|M3|"
    assert sorted(Event.objects.values_list("code", flat=True)) == ["loinc|14771-0", "loinc|2823-3"]


def test_a_bad_message_is_refused_with_its_reason_and_kept(port):
    with connect(port) as peer:
        peer.sendall(framed(b"MSH|^~\\&|LIS01|H01|||20240305||ORU^R01|M4|P|2.5\rOBX|1|NM|2823-3||4.1"))
        _, msa, err, *_ = answer(peer)
        assert msa.startswith("MSA|AE|M4|")
        assert err.startswith("ERR||PID^1|101^Required field missing^HL70357|E|")
        peer.sendall(framed(b"this is not HL7"))
        assert answer(peer)[1].startswith("MSA|AR|")
        peer.sendall(framed(oru("M5")))
        assert answer(peer)[1] == "MSA|AA|M5|"
    assert [row.field for row in RejectedRow.objects.order_by("id")] == ["PID", "MSH"]
    assert "M4" in RejectedRow.objects.order_by("id")[0].raw
    assert all(b.rows_in == b.stored + b.duplicates + b.rejected + b.waiting == 1 for b in Batch.objects.all())


def test_a_test_message_stays_out_of_the_record(port):
    """MSH-11 T or D: somebody tries out his interface; HL7 table 0357 has a code for that."""
    with connect(port) as peer:
        peer.sendall(framed(oru("T1").replace(b"|P|2.5", b"|T|2.5")))
        _, msa, err, *_ = answer(peer)
        assert msa.startswith("MSA|AR|T1|")
        assert err.startswith("ERR||MSH^1^11|202^Unsupported processing id^HL70357|E|")
    assert not Event.objects.exists()
    assert RejectedRow.objects.get().field == "MSH-11"


def test_fields_of_absurd_length_cost_nobody_else_his_message(port):
    long = "".join(random.Random(3).choices("abcdefghijklmnopqrstuvwxyz", k=9000))
    with connect(port) as peer:
        peer.sendall(
            framed(oru("X1", person=long, name="王" * 50_000)) + framed(oru("X2", value="1e400")) + framed(oru("X3"))
        )
        assert [answer(peer)[1][:9] for _ in range(3)] == ["MSA|AA|X1", "MSA|AA|X2", "MSA|AA|X3"]
    assert sorted(Event.objects.exclude(value=None).values_list("value", flat=True)) == [7.2, 7.2]


def test_half_frames_garbage_and_a_broken_connection(port):
    whole = framed(oru("M6"))
    with connect(port) as peer:
        peer.sendall(b"garbage\r\n" + whole[:40])
        peer.sendall(whole[40:] + framed(oru("M7"))[:30])
        assert answer(peer)[1] == "MSA|AA|M6|"
    with connect(port) as peer:  # M7 was cut off: nothing of it is here, and it can be sent again
        peer.sendall(framed(oru("M7")) + framed(oru("M8", value="8.1")))
        assert [answer(peer)[1] for _ in range(2)] == ["MSA|AA|M7|", "MSA|AA|M8|"]
    assert sum(Batch.objects.values_list("rows_in", flat=True)) == 3


def test_several_senders_at_once(port):
    def send(n):
        with connect(port) as peer:
            replies = []
            for k in range(5):
                peer.sendall(framed(oru(f"C{n}-{k}", f"P{n}", f"张{'甲乙丙丁'[n]}", f"{5 + k}.5")))
                replies.append(answer(peer)[1])
            return replies

    with ThreadPoolExecutor(4) as pool:
        replies = list(pool.map(send, range(4)))
    assert replies == [[f"MSA|AA|C{n}-{k}|" for k in range(5)] for n in range(4)]
    assert Event.objects.count() == 20
    assert Resource.objects.filter(type="Patient").count() == 4


def test_what_waits_together_is_stored_together_and_answered_one_by_one(port):
    """Thirty messages pipelined on one connection, one of them bad: 29 AA, one AE, in order; few transactions."""
    sent = [oru(f"G{n}", f"P{n % 7}") for n in range(30)]
    sent[11] = sent[11].replace(b"PID|1||P4", b"PID|1||")
    with connect(port) as peer:
        peer.sendall(b"".join(map(framed, sent)))
        data = b""
        while data.count(b"\x1c\r") < 30:
            data += peer.recv(65536)
    replies = [piece.split(b"\r")[1].decode().split("|")[1:3] for piece in data.split(b"\x1c\r") if piece]
    assert replies == [["AE" if n == 11 else "AA", f"G{n}"] for n in range(30)]
    assert Event.objects.count() == 29
    assert sum(Batch.objects.values_list("rows_in", flat=True)) == 30
    assert Batch.objects.count() < 30
    assert RejectedRow.objects.get().field == "PID-3"


def test_an_internal_failure_asks_for_it_again(port):
    """The database refuses: no acknowledgement says stored, and nothing is stored."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE records_batch ADD CONSTRAINT refuse CHECK (format <> 'hl7v2') NOT VALID")
    try:
        with connect(port) as peer:
            peer.sendall(framed(oru("M9")))
            assert answer(peer)[1].startswith("MSA|AR|M9|")
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE records_batch DROP CONSTRAINT refuse")
    assert Resource.objects.count() == 0


FRAMES = [
    ([b"\x0bMSH1\x1c\r"], [b"MSH1"]),
    ([b"\x0bMS", b"H1", b"\x1c", b"\r\x0bMSH2\x1c\r"], [b"MSH1", b"MSH2"]),
    ([b"\x0bMSH1\x1c\x0bMSH2\x1c\n"], [b"MSH1", b"MSH2"]),
    ([b"junk\x0bMSH1\x1c\r"], [b"MSH1"]),
    ([b"MSH1\r\x1c\r"], [b"MSH1"]),
    ([b"\x0bMSHhalf\x0bMSH1\x1c\r"], [b"MSH1"]),
    ([b"\x1c\r\x1c\r"], []),
    ([b"\x0bhello\x1c\r"], [b"hello"]),
]


@pytest.mark.parametrize(("pieces", "messages"), FRAMES)
def test_frames(pieces, messages):
    framer = Framer()
    assert [message for piece in pieces for message in framer.feed(piece)] == messages
    assert not framer.partial


def test_a_frame_has_a_limit():
    framer = Framer(largest=10)
    framer.feed(b"\x0bMSH")
    assert framer.partial
    with pytest.raises(TooLarge):
        framer.feed(b"x" * 20)
