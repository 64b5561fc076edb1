"""Whether the last part of a dump came back: keys, indexes, triggers.

Decided here: none at all, and none in the archive, is a failure if at least two tables hold traces of keys
(identity or serial columns, NOT NULL columns named `id` or `..._id`); otherwise a warning, for a small
database without any key is rare and healthy.
"""

from __future__ import annotations

from tasks.checks.context import Context
from tasks.checks.emptiness import Catalogue
from tasks.checks.outcome import judged
from tasks.model.findings import Finding
from tasks.model.restored import Checked
from tasks.model.rules import finding

_TABLES_WITH_TRACES = 2


def check_keys_present(context: Context, catalogue: Catalogue) -> Checked:
    """Return the check `keys-present`."""
    return judged("keys-present", _no_keys(context, catalogue))


def _no_keys(context: Context, catalogue: Catalogue) -> list[Finding]:
    inventory, objects = context.inventory, context.inventory.objects
    tables = [name for name, figures in inventory.tables.items() if figures.partition_of is None]
    present = objects.get("indexes") or objects.get("triggers") or inventory.keys
    if not tables or present or context.expected.has_post_data:
        return []
    sentence = (
        f"None of the {len(tables)} tables has a key, an index or a trigger, and the archive lists none."
    )
    if catalogue.with_traces >= _TABLES_WITH_TRACES:
        message = f"{sentence} {catalogue.with_traces} of them have columns that are keys nearly everywhere."
        return [finding("no-post-data", message)]
    return [finding("no-keys", sentence)]
