"""Beside the worker, every five seconds: who of the fleet is silent, who is back today; a synthetic county drives."""

from __future__ import annotations

import logging
import threading

from django.db import OperationalError, close_old_connections, connection

from healthbrain.access.rules import SYSTEM
from healthbrain.demo.emergency_traffic import TICK, Traffic, start
from healthbrain.dispatch.actions import missions, transport_fleet
from healthbrain.dispatch.models import Vehicle
from healthbrain.kernel.clock import now
from healthbrain.kernel.errors import HealthBrainError
from healthbrain.kernel.home import synthetic

log = logging.getLogger("healthbrain.lookout")


def keep_watch(stopping: threading.Event) -> None:
    """Until told to stop. What goes wrong once is logged and tried again at the next turn."""
    traffic: Traffic | None = start() if synthetic() is not None else None
    while not stopping.wait(TICK):
        try:
            if not Vehicle.objects.exists():
                continue
            transport_fleet.bring_back(now=now())
            if traffic is not None:
                traffic.tick(now())
            else:
                missions.watch(by=SYSTEM, now=now())
        except OperationalError:
            connection.close()
            close_old_connections()
        except HealthBrainError as error:
            log.warning("%s", error)
