"""Surveillance (传染病多点预警处置): a signal within minutes of the data, few false ones, and a response with a clock.

Comes in: ledger events, direct reports of schools, pharmacies and other places. Goes out: signals, outbreaks, reports.
Words: *series* = counts of one place, syndrome and age group by day; *signal* = a series that deserves a look;
*outbreak* (事件) = what signals turn into when somebody says "verify"; *bound* = the count above which we speak.
"""
