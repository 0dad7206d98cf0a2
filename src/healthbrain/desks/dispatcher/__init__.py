"""The 120 dispatcher's desk: calls, the recommendation, the fleet, mass events, planning."""
