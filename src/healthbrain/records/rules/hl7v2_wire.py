"""HL7 v2 on the wire: bytes → messages → segments → fields, and the acknowledgement back.

Tolerant where a reading is possible: any line end, MLLP frames or none, FHS/BHS envelopes, odd delimiters, line breaks
inside a text, UTF-8, GBK and Latin-1. What was put right is said in `Message.issues`; the raw bytes are kept.
"""

from __future__ import annotations

import datetime as dt
import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from healthbrain.records.rules.r4 import Issue

CHARSETS = {
    "UTF-8": "utf-8",
    "UNICODE UTF-8": "utf-8",
    "UNICODE": "utf-8",
    "UTF8": "utf-8",
    "GB 18030-2000": "gb18030",
    "GB18030": "gb18030",
    "GBK": "gb18030",
    "GB2312": "gb18030",
    "CN-GB": "gb18030",
    "8859/1": "latin-1",
    "ISO IR100": "latin-1",
}
_START = re.compile(rb"(?:\A|[\r\n\x0b\x1c])[ \t\xef\xbb\xbf]*(?=MSH)")
_LINE_END = re.compile(rb"[\r\n\x0b\x1c\x00]+")
_ENVELOPE = (b"FHS", b"BHS", b"BTS", b"FTS")
_SEGMENT = re.compile(r"[A-Z][A-Z0-9]{2}$")
_ESCAPED = {".br": "\n", ".sp": "\n", "H": "", "N": ""}


@dataclass(slots=True)
class Message:
    """One message. `segments[i][n]` is field n of segment i as it came; MSH-1 is the separator, as in the standard."""

    raw: bytes
    segments: list[list[str]] = field(default_factory=list)
    component: str = "^"
    repetition: str = "~"
    escape: str = "\\"
    subcomponent: str = "&"
    charset: str = "utf-8"
    issues: list[Issue] = field(default_factory=list)

    def first(self, name: str) -> list[str]:
        """The first segment of that name; an empty one where there is none."""
        for segment in self.segments:
            if segment[0] == name:
                return segment
        return []

    def text(self, raw: str) -> str:
        """A single value with its escapes resolved; `""` (delete) counts as empty."""
        if raw == '""':
            return ""
        return self._unescape(raw) if self.escape and self.escape in raw else raw

    def parts(self, raw: str) -> list[str]:
        """Components, escapes resolved."""
        if raw.isalnum():
            return [raw]
        if self.component not in raw:
            return [self.text(raw)]
        return [self.text(part) for part in raw.split(self.component)]

    def repeats(self, raw: str) -> list[str]:
        """Repetitions, still raw; none for an empty field."""
        if not raw or raw == '""':
            return []
        return raw.split(self.repetition) if self.repetition and self.repetition in raw else [raw]

    def _unescape(self, raw: str) -> str:
        pieces = raw.split(self.escape)
        if len(pieces) < 3:
            return raw
        out, i = [pieces[0]], 1
        while i < len(pieces):
            known = self._escaped(pieces[i]) if i + 1 < len(pieces) else None
            if known is None:  # a lone escape character is a character
                out.append(self.escape + pieces[i])
                i += 1
            else:
                out.append(known + pieces[i + 1])
                i += 2
        return "".join(out)

    def _escaped(self, name: str) -> str | None:
        delimiters = {"F": self._separator(), "S": self.component, "T": self.subcomponent, "R": self.repetition}
        if name in delimiters:
            return delimiters[name]
        if name == "E":
            return self.escape
        if name in _ESCAPED:
            return _ESCAPED[name]
        if name[:1] == "X" and len(name) % 2 and re.fullmatch(r"[0-9A-Fa-f]*", name[1:]):
            return bytes.fromhex(name[1:]).decode(self.charset, "replace").replace("\0", "")
        return "" if name[:1] in {"C", "M", "Z", "."} and name[1:].replace("+", "").replace("-", "").isalnum() else None

    def _separator(self) -> str:
        return self.segments[0][1] if self.segments else "|"

    # --- the header in words

    def header(self, number: int) -> str:
        """First component of MSH-n."""
        msh = self.segments[0] if self.segments else []
        return self.parts(msh[number])[0].strip() if len(msh) > number else ""

    @property
    def kind(self) -> str:
        """Message code, e.g. ADT."""
        return self.header(9)

    @property
    def trigger(self) -> str:
        """Trigger event, e.g. A01; from EVN-1 where MSH-9 leaves it out."""
        msh = self.segments[0] if self.segments else []
        parts = self.parts(msh[9]) if len(msh) > 9 else []
        event = self.first("EVN")
        return parts[1].strip() if len(parts) > 1 else (self.text(event[1]) if len(event) > 1 else "")

    @property
    def control_id(self) -> str:
        return self.header(10)

    @property
    def facility(self) -> str:
        """The sending facility, MSH-4."""
        return self.header(4)

    @property
    def source(self) -> str:
        """What the sender calls itself: MSH-3|MSH-4, one of them where the other is empty."""
        return "|".join(part for part in (self.header(3), self.facility) if part)


def messages(data: bytes) -> Iterator[Message]:
    """The messages in `data`, in order. Text outside any message is a Message without segments, with an issue."""
    starts = [match.end() for match in _START.finditer(data)]
    head = data[: starts[0]] if starts else data
    if _stray(head):
        issue = Issue("fatal", "structure", "MSH", "不以 MSH 开头,不是 HL7 消息 (no MSH segment)")
        yield Message(head, issues=[issue])
    for start, end in itertools.pairwise([*starts, len(data)]):
        yield parse(data[start:end].rstrip(b"\r\n\x0b\x1c \t"))


def _stray(head: bytes) -> bool:
    lines = (line.strip(b" \t\xef\xbb\xbf") for line in _LINE_END.split(head))
    return any(line and not line.startswith(_ENVELOPE) for line in lines)


def parse(raw: bytes) -> Message:
    """One message from its bytes, which begin with MSH. Never raises."""
    message = Message(raw)
    lines = [line for line in _LINE_END.split(raw) if line and not line.startswith(_ENVELOPE)]
    if not lines or len(lines[0]) < 8:
        message.issues.append(Issue("fatal", "structure", "MSH", "MSH 段不完整 (MSH is cut short)"))
        return message
    decoded = _decode(message, lines)
    separator = decoded[0][3]
    if separator.isalnum() or separator.isspace():
        message.issues.append(Issue("fatal", "structure", "MSH-1", "字段分隔符不合法 (bad field separator)"))
        return message
    _delimiters(message, decoded[0].split(separator, 2)[1])
    _segments(message, decoded, separator)
    if len(message.segments[0]) < 10:
        message.issues.append(Issue("fatal", "structure", "MSH", "MSH 段不完整 (MSH is cut short)"))
    return message


def _decode(message: Message, lines: list[bytes]) -> list[str]:
    """Text by MSH-18, else by trial: UTF-8 is checked strictly, so GBK hardly ever passes for it."""
    header = lines[0].split(lines[0][3:4])
    declared = header[17].split(b"~")[0].decode("ascii", "replace").strip().upper() if len(header) > 17 else ""
    first = CHARSETS.get(declared, "utf-8")
    for charset in dict.fromkeys((first, "utf-8", "gb18030")):
        try:
            decoded = [line.decode(charset) for line in lines]
        except UnicodeDecodeError:
            continue
        message.charset = charset
        if charset != first:
            text = f"编码与声明不符,按 {charset} 读取 (declared {declared or 'nothing'})"
            message.issues.append(Issue("warning", "value", "MSH-18", text))
        return decoded
    message.charset = "latin-1"
    message.issues.append(Issue("warning", "value", "MSH-18", "编码无法判断,按 Latin-1 读取 (unknown encoding)"))
    return [line.decode("latin-1") for line in lines]


def _delimiters(message: Message, given: str) -> None:
    """MSH-2 gives component, repetition, escape, subcomponent; those left out are not in use."""
    if not given or any(c.isalnum() for c in given):
        message.issues.append(
            Issue("warning", "value", "MSH-2", "编码字符缺失,按 ^~\\& 读取 (bad encoding characters)")
        )
        return
    padded = [*given[:4], *[""] * 4]
    message.component = padded[0]
    message.repetition, message.escape, message.subcomponent = padded[1:4]


def _segments(message: Message, lines: list[str], separator: str) -> None:
    for line in lines:
        line_start = line[:3]
        is_segment = _SEGMENT.match(line_start) and (len(line) == 3 or line[3] == separator)
        if is_segment:
            fields = line.split(separator)
            if line_start == "MSH":
                fields.insert(1, separator)
            message.segments.append(fields)
        elif message.segments:  # a line break inside a text field
            message.segments[-1][-1] += "\n" + line
            where = message.segments[-1][0]
            message.issues.append(
                Issue("warning", "structure", where, "字段内有换行,已并入上一段 (line break in field)")
            )


# --- acknowledgement (v2.5 chapter 2) -------------------------------------------------------------------------------

ERROR_CODES = {
    "structure": ("100", "Segment sequence error"),
    "required": ("101", "Required field missing"),
    "value": ("102", "Data type error"),
    "code-invalid": ("103", "Table value not found"),
    "not-supported": ("200", "Unsupported message type"),
    "not-found": ("204", "Unknown key identifier"),
    "duplicate": ("205", "Duplicate key identifier"),
    "not-production": ("202", "Unsupported processing id"),
    "exception": ("207", "Application internal error"),
}


def ack(
    message: Message,
    code: str,
    text: str = "",
    error_segment: str = "",
    *,
    reason: str = "exception",
    at: dt.datetime | None = None,
) -> bytes:
    """The ACK for `message`: `code` AA, AE or AR. `error_segment` is where, e.g. "PID-3" or "OBX[2]-5"; `reason` an
    issue code of ERROR_CODES. Without `at`, MSH-7 repeats the sender's. Delimiters and charset are the sender's.
    """
    separator = message.segments[0][1] if message.segments else "|"
    own = message if message.segments else Message(b"")
    clean = _escaper(own, separator)
    stamp = at.strftime("%Y%m%d%H%M%S") if at else own.header(7)
    given = own.component + own.repetition + own.escape + own.subcomponent
    trigger = [own.trigger] if own.trigger else []
    kind = own.component.join(["ACK", *map(clean, trigger), *(["ACK"] if trigger else [])])
    ends = [clean(own.header(n)) for n in (5, 6, 3, 4)]
    version = clean(own.header(12)) or "2.5"
    charset = own.segments[0][18] if own.segments and len(own.segments[0]) > 18 else ""
    mode = clean(own.header(11)) or "P"
    header = ["MSH", given, *ends, stamp, "", kind, f"A{clean(own.control_id)}", mode, version, *[""] * 5, charset]
    rows = [header, ["MSA", code, clean(own.control_id), clean(text)]]
    if code != "AA":
        number, name = ERROR_CODES.get(reason, ERROR_CODES["exception"])
        location, what = _location(error_segment, own), own.component.join([number, name, "HL70357"])
        rows.append(["ERR", "", location, what, "E", "", "", "", clean(text)])
    lines = [separator.join(row).rstrip(separator) if row[0] != "MSA" else separator.join(row) for row in rows]
    return ("\r".join(lines) + "\r").encode(own.charset, "replace")


def _location(where: str, message: Message) -> str:
    """ "OBX[2]-5" → OBX^2^5."""
    match = re.match(r"([A-Z][A-Z0-9]{2})(?:\[(\d+)\])?(?:-(\d+))?", where)
    if match is None:
        return ""
    name, number, place = match.groups()
    return message.component.join([name, number or "1", place or ""]).rstrip(message.component)


def _escaper(message: Message, separator: str):  # type: ignore[no-untyped-def]
    named = {separator: "F", message.component: "S", message.repetition: "R", message.subcomponent: "T"}
    table = {message.escape: "E"} | named if message.escape else {}
    escapes = {ord(c): f"{message.escape}{name}{message.escape}" for c, name in table.items() if len(c) == 1}
    escapes |= {ord("\r"): " ", ord("\n"): " ", 0x0B: " ", 0x1C: " "}
    return lambda text: text.translate(escapes)
