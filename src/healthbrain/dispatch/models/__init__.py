"""Tables of the room, one file a trade."""

from healthbrain.dispatch.models.emergency import (
    Aed,
    Call,
    EcgFile,
    EventCount,
    EventPerson,
    EventPost,
    EventVehicle,
    FirstAider,
    HospitalState,
    LandMark,
    MassEvent,
    Mission,
    MoveUp,
    Position,
    PositionLog,
    Station,
    TimelineEvent,
    Vehicle,
    Victim,
    Vitals,
)
from healthbrain.dispatch.models.homecare import (
    Application,
    CareNurse,
    HomeBed,
    HomeVisit,
    NurseAbsence,
    PlanItem,
    ServiceCharge,
    VisitNurse,
    VisitPhoto,
)
from healthbrain.dispatch.models.roads import RoadChange
from healthbrain.dispatch.models.transport import Booking, DayPlan, Ride, TransportVehicle

__all__ = [
    "Aed", "Application", "Booking", "Call", "CareNurse", "DayPlan", "EcgFile", "EventCount", "EventPerson",
    "EventPost", "EventVehicle", "FirstAider", "HomeBed", "HomeVisit", "HospitalState", "LandMark", "MassEvent",
    "Mission", "MoveUp", "NurseAbsence", "PlanItem", "Position", "PositionLog", "Ride", "RoadChange",
    "ServiceCharge", "Station", "TimelineEvent", "TransportVehicle", "Vehicle", "Victim", "VisitNurse",
    "VisitPhoto", "Vitals",
]  # fmt: skip
