"""What a restored database is held against: archive, history, its own constraints, the data team's suite."""

from tasks.checks.accept import ACCEPTABLE_RULES, apply_acceptances
from tasks.checks.context import Context
from tasks.checks.databases import check_databases
from tasks.checks.freshness import measure_freshness
from tasks.checks.inventory import take_inventory
from tasks.checks.suites import RunSuite, SuiteOutcome, check_suite
from tasks.checks.verify import verify

__all__ = [
    "ACCEPTABLE_RULES",
    "Context",
    "RunSuite",
    "SuiteOutcome",
    "apply_acceptances",
    "check_databases",
    "check_suite",
    "measure_freshness",
    "take_inventory",
    "verify",
]
