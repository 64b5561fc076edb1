"""WAL archives: what lies in them, how far they reach, and how a jailed server gets it.

`names`, `page_header` and `history` read PostgreSQL's own formats; `windows` says what can be recovered, from
one listing; `archive` hands out single segments and never calls an error an absence; `relay` carries them to
the server; `findings` says what it all means. Nothing here runs a tool or knows Prefect.
"""
