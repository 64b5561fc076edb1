"""Whether the roles that the fleet file requires are in the backup."""

from __future__ import annotations

from collections.abc import Iterable

from tasks.checks.outcome import judged, not_configured
from tasks.model.restored import Checked, Restored
from tasks.model.rules import finding


def check_required_roles(restored: Restored, required: Iterable[str]) -> Checked:
    """Return the check `required-roles`."""
    required = tuple(required)
    if not required:
        return not_configured("required-roles", "expect.required_roles names none")
    missing = [name for name in required if name not in restored.roles]
    message = (
        "{} is required and neither the backup nor its globals file creates it: nobody could log in as it."
    )
    findings = [finding("required-role-missing", message.format(name), where=name) for name in missing]
    return judged(
        "required-roles",
        findings,
        observed=f"{len(required) - len(missing)} of {len(required)}",
        expected="all",
    )
