"""The report: a static site of self-contained pages for fleets and drills, made from evidence alone."""

from __future__ import annotations

from tasks.evidence.report.render import publish, render_report

__all__ = ["publish", "render_report"]
