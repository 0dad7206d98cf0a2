"""What happened, as columns: visits, and what was observed, diagnosed, prescribed, given and done at each."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

PH, CENTRE, HIS, LIS, IPD = range(5)  # which kind of system recorded a visit
CHANNELS = ("PH", "centre", "HIS", "LIS", "IPD")
CLASSES = ("AMB", "HH", "IMP", "EMER", "VR", "PHONE")
TYPES = (
    "follow-up",
    "health-check",
    "outpatient",
    "newborn-visit",
    "child-visit",
    "screening",
    "colonoscopy",
    "spirometry",
    "vaccination",
    "inpatient",
    "emergency",
    "laboratory",
    "registration",
    "tcm-service",
)
CLASS, TYPE = {c: i for i, c in enumerate(CLASSES)}, {t: i for i, t in enumerate(TYPES)}
CODES = (
    "8480-6",
    "8462-4",
    "8867-4",
    "29463-7",
    "8302-2",
    "39156-5",
    "56086-2",
    "59408-5",
    "14771-0",
    "4548-4",
    "14647-2",
    "19926-5",
    "29771-3",
    "718-7",
    "14682-9",
    "hb|copd-sq",
    "hb|crc-questionnaire",
)
UNITS = (
    "mm[Hg]",
    "mm[Hg]",
    "/min",
    "kg",
    "cm",
    "kg/m2",
    "cm",
    "%",
    "mmol/L",
    "%",
    "mmol/L",
    "%",
    "",
    "g/L",
    "umol/L",
    "{score}",
    "",
)
CODE = {c: i for i, c in enumerate(CODES)}
SBP, DBP, PULSE, WEIGHT, HEIGHT, BMI, WAIST, SPO2, FPG, HBA1C, TC, FEV1, FIT, HB, CREATININE, COPD_SQ, CRC_Q = range(
    len(CODES)
)
TEXTS = ("", "positive", "negative")
REFERRALS = ("referral", "urgent-referral")
DAY = 1440


@dataclass
class Table:
    """Column pieces, joined once at the end."""

    pieces: dict[str, list[np.ndarray]] = field(default_factory=dict)

    def add(self, **columns: np.ndarray) -> None:
        for name, values in columns.items():
            self.pieces.setdefault(name, []).append(values)

    def join(self) -> dict[str, np.ndarray]:
        return {name: np.concatenate(parts) for name, parts in self.pieces.items()}


def full(n: int, value: int, dtype: type) -> np.ndarray:
    return np.full(n, value, dtype)


class Story:
    """Collects one block. Everything hangs on a visit, so person, place and time are said once."""

    def __init__(self, as_of: int) -> None:
        self.as_of, self.count = as_of, 0
        self.visits, self.observations, self.conditions = Table(), Table(), Table()
        self.medications, self.immunizations, self.procedures = Table(), Table(), Table()
        self.referrals = Table()

    def visit(
        self,
        person: np.ndarray,
        day: np.ndarray,
        organisation: np.ndarray | int,
        *,
        channel: int,
        type: str,
        cls: str | np.ndarray = "AMB",
        rng: np.random.Generator,
        shown: bool = True,
        minutes: int = 20,
    ) -> np.ndarray:
        """Records visits, returns their numbers. Hours 8–17, whole five minutes."""
        n = len(person)
        at = day.astype(np.int64) * DAY + 480 + rng.integers(0, 108, n) * 5
        self.visits.add(
            person=person.astype(np.int32),
            at=at,
            organisation=np.broadcast_to(np.asarray(organisation, np.int32), n),
            channel=full(n, channel, np.int8),
            type=full(n, TYPE[type], np.int8),
            cls=full(n, CLASS[cls], np.int8) if isinstance(cls, str) else cls.astype(np.int8),
            minutes=full(n, minutes, np.int32),
            shown=full(n, shown, np.bool_),
        )
        ids = np.arange(self.count, self.count + n)
        self.count += n
        return ids

    def observe(
        self, visit: np.ndarray, code: int, value: np.ndarray, *, decimals: int = 0, keep: np.ndarray | bool = False
    ) -> None:
        """A number in the code's canonical unit. `keep`: planted dirt leaves it alone, a scenario hangs on it."""
        n = len(visit)
        self.observations.add(
            visit=visit,
            code=full(n, code, np.int8),
            value=np.round(value.astype(np.float64), decimals),
            text=full(n, 0, np.int8),
            keep=np.broadcast_to(np.asarray(keep, np.bool_), n),
        )

    def answer(self, visit: np.ndarray, code: int, positive: np.ndarray) -> None:
        n = len(visit)
        self.observations.add(
            visit=visit,
            code=full(n, code, np.int8),
            value=np.full(n, np.nan),
            text=np.where(positive, 1, 2).astype(np.int8),
            keep=full(n, True, np.bool_),
        )

    def diagnose(self, visit: np.ndarray, code: np.ndarray) -> None:
        self.conditions.add(visit=visit, code=code.astype(object))

    def prescribe(self, visit: np.ndarray, drug: np.ndarray, days: int = 30) -> None:
        self.medications.add(visit=visit, drug=drug.astype(np.int16), days=full(len(visit), days, np.int16))

    def immunize(self, visit: np.ndarray, vaccine: np.ndarray, dose: np.ndarray) -> None:
        self.immunizations.add(visit=visit, vaccine=vaccine.astype(object), dose=dose.astype(np.int16))

    def refer(self, visit: np.ndarray, urgent: np.ndarray) -> None:
        self.referrals.add(visit=visit, urgent=urgent.astype(np.int8))

    def do(self, visit: np.ndarray, code: str) -> None:
        self.procedures.add(visit=visit, code=np.full(len(visit), code, object))


def assign(
    rng: np.random.Generator, shares: dict[str, float], chosen: np.ndarray, block: int, least: int = 2
) -> np.ndarray:
    """A state for each `chosen` person, −1 for others; in block 0 every state gets `least` people."""
    state = np.full(len(chosen), -1, np.int8)
    who = np.flatnonzero(chosen)
    edges = np.cumsum(list(shares.values()))
    state[who] = np.searchsorted(edges / edges[-1], rng.random(len(who)), side="right")
    if block == 0 and len(who) >= least * len(shares) * 2:
        for k in range(len(shares)):
            missing = least - int((state == k).sum())
            if missing > 0:
                common = np.bincount(state[who], minlength=len(shares)).argmax()
                state[rng.permutation(np.flatnonzero(state == common))[:missing]] = k
    return state


def repeat(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(row → which, row → how many-th) for `counts` repetitions of each row."""
    which = np.repeat(np.arange(len(counts)), counts)
    first = np.repeat(np.cumsum(counts) - counts, counts)
    return which, np.arange(len(which)) - first
