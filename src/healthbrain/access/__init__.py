"""Access: accounts, roles, scopes, purpose of use; the one gate that hands out rows about people.

Comes in: an account and why it asks. Goes out: the rows it may see, or a refusal that says why.
Words: *scope* = the organisation subtree an account works for; *purpose* = why a record is opened;
*break-glass* = opening a record outside one's scope in an emergency, with a reason, always shown to the resident.
"""
