"""Dispatch (调度): the right vehicle, the right hospital, the planned trip, the nurse at the door.

Comes in: 120 calls, positions, bookings, home-care applications. Goes out: missions, trips, visits, times told, kept.
Words: *call* = one request for an ambulance; *mission* = one vehicle sent to it; *trip* = planned transport;
*visit* = a nurse at the door; *promise* = the time window somebody was told.
"""
