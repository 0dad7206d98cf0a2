"""The FHIR R4 API: plain Django views over the store.

Comes in: HTTP requests with a token or a signed-in session. Goes out: resources as they are stored, bundles made by
joining stored bytes, an OperationOutcome for every error. Words: *caller* = who asks and for which source it speaks.
"""
