"""Reading backups: what the bytes are, what they claim to hold, and whether they are whole."""

from __future__ import annotations

from tasks.catalog.head import read_head
from tasks.catalog.opening import open_backup, open_script
from tasks.catalog.physical import recognise_layout

__all__ = ["open_backup", "open_script", "read_head", "recognise_layout"]
