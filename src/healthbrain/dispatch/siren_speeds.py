"""How fast the county's own vehicles drive with sirens, by road class, from its own timestamps."""

from __future__ import annotations

import numpy as np

from healthbrain.dispatch.knowledge_roads import learning
from healthbrain.dispatch.rules.siren import Learned, class_times, learn_factors, siren_times
from healthbrain.dispatch.rules.travel import TravelTimes
from healthbrain.kernel import db

DRIVES = 3000  # the latest so many: roads and traffic change

# From the station to the scene, of vehicles that were at home: nothing says where another one set off. Only whole days,
# so that every process of a day learns the same; clocks in doubt teach nothing.
_DRIVES = """
WITH sent AS (
  SELECT *, lag(coalesce(ended_at, 'infinity')) OVER (PARTITION BY vehicle_id ORDER BY assigned_at, id) AS busy_until
  FROM dispatch_mission WHERE assigned_at >= date_trunc('day', now()) - interval '1 year'
)
SELECT s.x, s.y, c.x, c.y, extract(epoch FROM h.at - r.at)::float8
FROM sent m
JOIN dispatch_vehicle v ON v.id = m.vehicle_id AND v.fleet = 'emergency'
JOIN dispatch_station s ON s.id = v.station_id
JOIN dispatch_call c ON c.id = m.call_id AND c.x IS NOT NULL AND NOT c.off_map AND c.priority <= 2
JOIN dispatch_timelineevent r ON r.mission_id = m.id AND r.kind = 'rolling' AND NOT r.doubtful AND r.source <> 'manual'
JOIN dispatch_timelineevent h ON h.mission_id = m.id AND h.kind = 'on-scene' AND NOT h.doubtful AND h.source <> 'manual'
WHERE m.assigned_at < date_trunc('day', now())
  AND (m.busy_until IS NULL OR m.busy_until < m.assigned_at - interval '1 hour')
ORDER BY m.id DESC LIMIT %s
"""


def learned(normal: TravelTimes, siren: TravelTimes) -> tuple[Learned, ...]:
    """Siren factor of every road class, learned where enough drives used it, else the default."""
    graph = normal.graph
    rows = np.array(db.select(_DRIVES, (DRIVES,)), dtype=np.float64).reshape(-1, 5)
    start, end = siren.snap(rows[:, 0:2]), siren.snap(rows[:, 2:4])
    spent, observed = [], []
    for k, (one, other) in enumerate(zip(start.node.tolist(), end.node.tolist(), strict=True)):
        way = siren.path(one, other) if one != other else None
        if way is not None:
            spent.append(class_times(graph, way))
            observed.append(1000 * rows[k, 4] - start.access_ms[k] - end.access_ms[k])
    table = np.array(spent, dtype=np.float64).reshape(-1, len(graph.classes))
    return learn_factors(table, np.array(observed), graph.classes, learning())


def driven(siren: TravelTimes, factors: tuple[Learned, ...]) -> TravelTimes:
    """The network at the county's own siren speeds; classes that taught nothing keep the times they came with."""
    graph = siren.graph
    known = np.array([one.learned for one in factors])[graph.road_class]
    if not known.any():
        return siren
    arcs = np.flatnonzero(known)
    return siren.with_changes(dict(zip(arcs.tolist(), siren_times(graph, factors)[arcs].tolist(), strict=True)))
