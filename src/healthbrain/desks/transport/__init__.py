"""Non-emergency transport: the planner's day, booking for everybody who may, the driver's phone."""
