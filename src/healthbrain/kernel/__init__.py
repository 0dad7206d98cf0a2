"""Kernel: what every room stands on and no room owns.

Comes in: nothing of the domain. Goes out: the data folder, the database, the event bus, the clock at the edge,
masking, crypto, errors that say what to do.
Words: *edge* = a command, a page or a worker, the only places that may ask what day it is.
"""
