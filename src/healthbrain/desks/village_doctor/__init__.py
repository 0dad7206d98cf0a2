"""The village doctor's desk: today's list, one resident, the visit, a follow-up day of thirty.

Comes in: task lines, the record, what the doctor types. Goes out: forms for the record, thinking started at once.
Words: *visit* = one follow-up of one resident; *group entry* (集体随访) = many visits in one sheet.
"""
