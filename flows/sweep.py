"""What crashed drills left: removed on a schedule, besides at every drill's start."""

from __future__ import annotations

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from tasks.model.clock import utc_now
from tasks.model.errors import DrillError
from tasks.teardown import describe_sweep, sweep_leftovers


@flow(name="sweep", flow_run_name="sweep", persist_result=False)
def sweep() -> State[None]:
    """Remove sandboxes that have expired or lost their owner; never a living drill's."""
    try:
        report = sweep_leftovers(utc_now())
    except DrillError as error:
        return Failed(name="Failed", message=str(error))
    if report.left:
        return Failed(name="Failed", message=describe_sweep(report))
    return Completed(message=describe_sweep(report))
