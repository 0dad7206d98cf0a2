"""The writes of the room, one file a trade: `calls`, `missions`, `positions`, `hospitals`, `patients`, `mass`.

Each is one transaction with its timeline events, and an audit event where a person is concerned. `now` is the moment it
happens, on the server's clock: only desks and commands ask for it.
"""
