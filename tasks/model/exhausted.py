"""The words for a full disk and for memory that has ended: the system's, and PostgreSQL's own.

Whoever reads a tool's or a server's lines begins with these, and adds what only such lines can say.
"""

from __future__ import annotations

DISK_FULL = r"No space left on device|Disk quota exceeded"
OUT_OF_MEMORY = r"[Oo]ut of (?:shared )?memory|invalid memory alloc"
