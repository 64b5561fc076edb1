"""Step 8: RPO and RTO against their objectives, from what the earlier steps timed."""

from __future__ import annotations

from tasks.drill.step import step
from tasks.evidence import measure
from tasks.model.drill import Drill
from tasks.model.restored import Checked


@step("measure")
def measure_objectives(drill: Drill) -> Checked:
    """Judge ages and times."""
    return measure(drill)
