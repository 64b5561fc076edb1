"""Step 8: RPO and RTO against their objectives, from what the earlier steps timed."""

from __future__ import annotations

from tasks.evidence import DrillFacts, measure
from tasks.model.restored import Checked
from tasks.policies import step


@step("measure")
def measure_objectives(facts: DrillFacts) -> Checked:
    """Judge ages and times."""
    return measure(facts)
