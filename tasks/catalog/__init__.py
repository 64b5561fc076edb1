"""Reading backups: what the bytes are, what they claim to hold, and whether they are whole."""

from __future__ import annotations

from tasks.catalog.contained import Wanted
from tasks.catalog.extensions import DEFAULT_EXTENSIONS, is_allowed, required_extensions
from tasks.catalog.head import read_head
from tasks.catalog.head_findings import preflight_findings, wanted_major
from tasks.catalog.opening import open_backup, open_script
from tasks.catalog.physical import recognise_layout
from tasks.catalog.toc_shape import TocShape, listed_relations, toc_shape

__all__ = [
    "DEFAULT_EXTENSIONS",
    "TocShape",
    "Wanted",
    "is_allowed",
    "listed_relations",
    "open_backup",
    "open_script",
    "preflight_findings",
    "read_head",
    "recognise_layout",
    "required_extensions",
    "toc_shape",
    "wanted_major",
]
