"""Tables of the room, one file a trade."""

from healthbrain.dispatch.models.emergency import (
    Aed,
    Call,
    EcgFile,
    EventVehicle,
    FirstAider,
    HospitalState,
    LandMark,
    MassEvent,
    Mission,
    Position,
    PositionLog,
    Station,
    TimelineEvent,
    Vehicle,
    Victim,
    Vitals,
)

__all__ = [
    "Aed", "Call", "EcgFile", "EventVehicle", "FirstAider", "HospitalState", "LandMark", "MassEvent", "Mission",
    "Position", "PositionLog", "Station", "TimelineEvent", "Vehicle", "Victim", "Vitals",
]  # fmt: skip
