"""How old the newest row was at the moment that is judged.

Decided here:
- Rows dated after that moment do not count (`expectations.newest`); they are a warning. Where there are no
  others, the column does not tell how fresh the content is.
- A date stands for the end of its day: any of its rows may have been written then.
- Numbers are times since 1970 (`expectations.epochs`); a column whose numbers cannot be times tells nothing.
- A table without rows, or with nothing but nulls, is as stale as can be.
"""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import psycopg
from psycopg import sql

from expectations.epochs import NUMBERS, read_newest_number, unit_of
from expectations.newest import KINDS, Newest, read_newest
from tasks.checks.context import Context
from tasks.checks.outcome import errored, judged, not_configured, not_run
from tasks.checks.session import Connection, timed_out, why
from tasks.model.findings import Check, Finding, Outcome, Stage
from tasks.model.history import History
from tasks.model.restored import Checked
from tasks.model.rules import finding
from tasks.model.target import Freshness, Target
from tasks.model.units import format_duration

NAME = "freshness"
_A_DAY = timedelta(days=1)
_ZONELESS = frozenset({"timestamp", "date"})
_NAME_THE_ZONE = (
    "The column names no time zone and was taken as UTC: where it holds local time, name its zone in "
    "`expect.freshness.timezone`. Else what is in a young backup is old: is it of a stale replica?"
)
_COLUMN = """
SELECT c.relkind::text, b.typname, a.attname IS NOT NULL
  FROM pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN pg_attribute a
         ON a.attrelid = c.oid AND a.attname = %(column)s AND a.attnum > 0 AND NOT a.attisdropped
  LEFT JOIN LATERAL (
        WITH RECURSIVE up (oid, base) AS (
            SELECT t.oid, t.typbasetype FROM pg_type t WHERE t.oid = a.atttypid
            UNION ALL
            SELECT t.oid, t.typbasetype FROM up JOIN pg_type t ON t.oid = up.base
        ) SELECT CASE WHEN t.typnamespace = 'pg_catalog'::regnamespace THEN t.typname::text
                      ELSE format_type(t.oid, NULL) END AS typname
            FROM up JOIN pg_type t ON t.oid = up.oid WHERE up.base = 0
       ) b ON true
 WHERE n.nspname = %(schema)s AND c.relname = %(table)s AND c.relkind IN ('r', 'p', 'm', 'v')
"""


def measure_freshness(context: Context) -> tuple[float | None, Checked]:
    """Return the age in seconds, at the moment that is judged, of the newest row, and the check `freshness`.

    The history tells a table that is lost from one that never was; without it, `required_tables` does. Rows
    that this host or policy kept out are not judged.
    """
    freshness = context.target.expect.freshness
    if freshness is None:
        return None, not_configured(NAME, "expect.freshness names no column", stage=Stage.VALIDATE)
    rule = context.kept_out.get(freshness.table)
    if rule is not None:
        return None, _unknown(freshness, f"{freshness.table} was not restored whole here ({rule})")
    started = time.monotonic()
    try:
        with context.reading() as connection:
            age_s, checked = _measure(connection, freshness, context.target, context.as_of, context.history)
    except psycopg.Error as exc:
        age_s, checked = None, _not_measured(freshness, exc)
    seconds = time.monotonic() - started
    return age_s, replace(checked, checks=tuple(replace(check, seconds=seconds) for check in checked.checks))


def judge_age(newest: Newest, freshness: Freshness, as_of: datetime) -> tuple[float | None, Checked]:
    """Return the age and the check for what the column said."""
    place = f"{freshness.table}.{freshness.column}"
    limit = format_duration(freshness.max_age)
    findings: list[Finding] = []
    age_s = None if newest.at is None else max(0.0, (as_of - newest.at).total_seconds())
    if newest.future:
        message = f"{newest.future:,} rows of {place} are dated after the moment that is judged."
        findings.append(finding("content-in-future", message, where=place))
    if newest.future and age_s is None:
        checked = _unknown(freshness, f"every date in {place} lies after the moment that is judged")
        return None, replace(checked, findings=(*findings, *checked.findings))
    if age_s is None:
        findings.append(
            finding("content-stale", f"{place} holds no date at all: nothing in it is fresh.", where=place)
        )
    elif age_s > freshness.max_age:
        message = f"The newest row of {place} is {format_duration(age_s)} old; at most {limit} is allowed."
        findings.append(finding("content-stale", message, where=place))
    observed = "no date" if age_s is None else f"{format_duration(age_s)} old"
    return age_s, judged(NAME, findings, observed=observed, expected=f"at most {limit}", stage=Stage.VALIDATE)


def _measure(
    connection: Connection, freshness: Freshness, target: Target, as_of: datetime, history: History
) -> tuple[float | None, Checked]:
    schema, _, table = freshness.table.partition(".")
    row = connection.execute(
        _COLUMN.encode(), {"schema": schema, "table": table, "column": freshness.column}
    ).fetchone()
    if row is None:
        return None, _table_missing(freshness, target, history)
    relkind, kind, has_column = row
    if not has_column or (kind not in KINDS and kind not in NUMBERS):
        reason = "has no such column" if not has_column else f"holds {kind} there, which is no time"
        return None, _unknown(freshness, f"{freshness.table} {reason} ({freshness.column})")
    source = sql.SQL("{} {}").format(sql.SQL("ONLY" if relkind == "r" else ""), sql.Identifier(schema, table))
    newest = _newest(connection, source, kind, freshness, as_of)
    if newest is None:
        return None, _unknown(
            freshness, f"no number of {freshness.table}.{freshness.column} can be a time since 1970"
        )
    age_s, checked = judge_age(newest, freshness, as_of)
    if kind in _ZONELESS and freshness.timezone is None:
        checked = replace(checked, findings=tuple(map(_asking_for_its_zone, checked.findings)))
    return age_s, checked


def _asking_for_its_zone(stale: Finding) -> Finding:
    return replace(stale, hint=_NAME_THE_ZONE) if stale.rule == "content-stale" else stale


def _newest(
    connection: Connection, source: sql.Composable, kind: str, freshness: Freshness, as_of: datetime
) -> Newest | None:
    """Return the newest row; None where there are rows whose numbers tell no time."""
    if kind in KINDS:
        zone = None if freshness.timezone is None else ZoneInfo(freshness.timezone)
        newest = read_newest(connection, source, freshness.column, kind, as_of, zone)
        return _at_its_end(newest, zone) if kind == "date" else newest
    unit = unit_of(connection, source, freshness.column) if freshness.unit == "auto" else freshness.unit
    if unit is not None:
        return read_newest_number(connection, source, freshness.column, kind, unit, as_of)
    return None if _has_values(connection, source, freshness.column) else Newest(None, 0)


def _at_its_end(newest: Newest, zone: ZoneInfo | None) -> Newest:
    """Return a date's midnight moved to the next one: a day need not have 24 hours where clocks change."""
    if newest.at is None:
        return newest
    midnight = newest.at if zone is None else newest.at.astimezone(zone)
    return replace(newest, at=(midnight + _A_DAY).astimezone(UTC))


def _has_values(connection: Connection, source: sql.Composable, column: str) -> bool:
    query = sql.SQL("SELECT 1 FROM {} WHERE {} IS NOT NULL LIMIT 1").format(source, sql.Identifier(column))
    return connection.execute(query).fetchone() is not None


def _table_missing(freshness: Freshness, target: Target, history: History) -> Checked:
    """Judge a table that is not there: lost where it is required or was there before, else a typo."""
    rule = None
    if freshness.table in target.expect.required_tables:
        rule = "required-table-missing"
    elif any(freshness.table in record.inventory.tables for record in history.verified) or (
        history.seed is not None and freshness.table in history.seed.tables
    ):
        rule = "table-lost"
    if rule is None:
        return _unknown(freshness, f"{freshness.table} is not in the restored database")
    message = f"{freshness.table}, which tells how fresh the content is, was not restored."
    check = Check(NAME, Stage.VALIDATE, Outcome.FAILED, "no such table", why=message)
    return Checked((check,), (finding(rule, message, where=freshness.table, stage=Stage.VALIDATE),))


def _unknown(freshness: Freshness, reason: str) -> Checked:
    unknown = finding(
        "freshness-unknown",
        f"Freshness could not be measured: {reason}. That says nothing about the backup.",
        where=f"{freshness.table}.{freshness.column}",
    )
    return not_run(NAME, reason, [unknown], stage=Stage.VALIDATE)


def _not_measured(freshness: Freshness, exc: psycopg.Error) -> Checked:
    if timed_out(exc):
        late = finding("stage-deadline", "Freshness was not measured in time.", stage=Stage.VALIDATE)
        return not_run(NAME, "not done in time", [late], stage=Stage.VALIDATE)
    return errored(NAME, why(exc), where=f"{freshness.table}.{freshness.column}", stage=Stage.VALIDATE)
