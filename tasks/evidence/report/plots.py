"""Drawings without a script: inline SVG that holds numbers; what names it holds are escaped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from tasks.evidence.measure import RTO_PHASES
from tasks.model.printable import printable

_WIDTH, _HEIGHT, _MARGIN = 180.0, 36.0, 4.0
_LEAST_SHARE = 0.4
"""Per cent: a phase that took no time can still be seen."""


@dataclass(frozen=True, slots=True)
class PhaseBar:
    """One phase drawn to scale.

    Attributes:
        start, width: per cent of the whole drill.
        counts: the person on call waits for it, so it is part of the RTO.
    """

    name: str
    seconds: float
    start: float
    width: float
    counts: bool


def phase_bars(phases_s: Mapping[str, float]) -> list[PhaseBar]:
    """Return the phases one after another, in the order in which a drill goes through them."""
    phase_names = [name for name in _ORDER if name in phases_s] + sorted(set(phases_s) - set(_ORDER))
    total = sum(phases_s.values()) or 1.0
    bars, passed = [], 0.0
    for name in phase_names:
        seconds = phases_s[name]
        width = max(_LEAST_SHARE, 100 * seconds / total)
        start = min(100 * passed / total, 100 - width)
        bars.append(PhaseBar(name, seconds, round(start, 3), round(width, 3), name in RTO_PHASES))
        passed += seconds
    return bars


def bar(start: float, width: float, kind: str) -> Markup:
    """Return a bar on its track, per cent of the width; *kind* is a class of the style sheet."""
    drawn = Markup('<rect class="{}" x="{:g}" width="{:g}" height="6"/>').format(kind, start, width)
    return _track("bar", drawn)


def meter(achieved: float | None, limit: float | None) -> Markup:
    """Return an achieved figure against its limit: a bar and a tick; nothing where one is unknown."""
    if achieved is None or not limit:
        return Markup("")
    scale = max(achieved, limit) * 1.08
    kind = "over" if achieved > limit else "within"
    tick = 100 * limit / scale
    drawn = Markup(
        '<rect class="{}" width="{:.2f}" height="6"/><rect class="tick" x="{:.2f}" width="0.8" height="6"/>'
    ).format(kind, max(_LEAST_SHARE, 100 * achieved / scale), tick - 0.4)
    return _track("bar meter", drawn)


def sparkline(values: Sequence[float | None], good: Sequence[bool], label: str) -> Markup:
    """Return a small plot of *values*, oldest first; hollow dots are drills that were not verified.

    Args:
        values: None where one is unknown; the axis begins at zero once they move by more than half.
        good: whether the drill of each value was verified.
        label: what a screen reader says.
    """
    points = _points(values)
    if not points:
        return Markup("")
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points.values())
    dots = Markup("").join(
        _dot(x, y, good=good[at], last=at == len(values) - 1) for at, (x, y) in points.items()
    )
    return Markup(
        '<svg class="spark" viewBox="0 0 {w:g} {h:g}" width="{w:g}" height="{h:g}" role="img" '
        'aria-label="{label}"><polyline points="{line}"/>{dots}</svg>'
    ).format(w=_WIDTH, h=_HEIGHT, label=printable(label), line=line, dots=dots)


_ORDER = (
    "discover",
    "preflight",
    "fetch",
    "decrypt",
    "provision",
    "restore",
    "analyze",
    "verify",
    "validate",
    "measure",
    "teardown",
    "record",
)


def _track(kind: str, drawn: Markup) -> Markup:
    return Markup(
        '<svg class="{}" viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true" focusable="false">'
        '<rect class="track" width="100" height="6"/>{}</svg>'
    ).format(kind, drawn)


def _points(values: Sequence[float | None]) -> dict[int, tuple[float, float]]:
    measured_values = [value for value in values if value is not None]
    if not measured_values:
        return {}
    high = max(measured_values)
    low = min(measured_values) if min(measured_values) > high / 2 else 0.0
    low -= (high - low) * 0.15 if low else 0.0
    step = (_WIDTH - 2 * _MARGIN) / max(1, len(values) - 1)
    return {
        at: (_MARGIN + at * step, _level(value, low, high))
        for at, value in enumerate(values)
        if value is not None
    }


def _level(value: float, low: float, high: float) -> float:
    share = 0.5 if high == low else (value - low) / (high - low)
    return _HEIGHT - _MARGIN - share * (_HEIGHT - 2 * _MARGIN)


def _dot(x: float, y: float, *, good: bool, last: bool) -> Markup:
    kind = "good" if good else "bad"
    radius = 3.2 if last else 1.6 if good else 2.2
    return Markup('<circle class="{}" cx="{:.1f}" cy="{:.1f}" r="{}"/>').format(kind, x, y, radius)
