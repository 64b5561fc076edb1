"""Keeping a restored backup on purpose, for trying suites on it, as a step of a flow."""

from __future__ import annotations

from tasks.policies import step
from tasks.trying import keep_backup

keep_restored = step("keep restored backup")(keep_backup)
