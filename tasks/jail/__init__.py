"""The jail: a small program of its own between the drill and one PostgreSQL server or tool.

It imports nothing of the project but itself and little of the standard library, so that starting one costs a
bare interpreter. What it does is decided outside, in `tasks.sandbox`, and comes as orders.
"""
