"""Whether every foreign key holds, also where PostgreSQL has not been asked to prove it.

Decided here:
- A key that is validated was proven by this very server when the restore created it: it costs nothing. Where
  the restore cannot be sure of that (`engines.keys` says when), every such key is joined.
- A key marked NOT VALID is checked by an anti-join over exactly the rows that the key means: MATCH SIMPLE
  looks at rows without nulls, MATCH FULL also objects to rows half null; ONLY, unless the table is
  partitioned; the key's own equality operators; a PERIOD must be covered by the referenced periods together.
- Orphans behind a key that is NOT VALID were there at the source, and those behind one that is NOT ENFORCED
  break no promise: a warning.
"""

from __future__ import annotations

from dataclasses import dataclass

from psycopg import sql

from tasks.checks.context import Context
from tasks.checks.outcome import at_source, judged, lowered
from tasks.checks.session import Connection
from tasks.model.findings import Finding, Severity
from tasks.model.restored import Checked
from tasks.model.rules import finding
from tasks.model.user_objects import USER_SCHEMA

_PERIODS_SINCE = 180000

_KEYS = f"""
SELECT k.conname, n.nspname, c.relname, c.relkind = 'p', pn.nspname, p.relname, p.relkind = 'p',
       k.convalidated, k.confmatchtype = 'f', {{enforced}}, {{period}},
       ARRAY(SELECT a.attname::text FROM unnest(k.conkey) WITH ORDINALITY AS u(num, i)
               JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.num ORDER BY i),
       ARRAY(SELECT a.attname::text FROM unnest(k.confkey) WITH ORDINALITY AS u(num, i)
               JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = u.num ORDER BY i),
       ARRAY(SELECT onsp.nspname::text FROM unnest(k.conpfeqop) WITH ORDINALITY AS u(op, i)
               JOIN pg_operator o ON o.oid = u.op
               JOIN pg_namespace onsp ON onsp.oid = o.oprnamespace ORDER BY i),
       ARRAY(SELECT o.oprname::text FROM unnest(k.conpfeqop) WITH ORDINALITY AS u(op, i)
               JOIN pg_operator o ON o.oid = u.op ORDER BY i)
  FROM pg_constraint k
  JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_class p ON p.oid = k.confrelid JOIN pg_namespace pn ON pn.oid = p.relnamespace
 WHERE k.contype = 'f' AND {USER_SCHEMA}
   AND (k.conparentid = 0 OR NOT k.convalidated AND EXISTS
        (SELECT FROM pg_constraint above WHERE above.oid = k.conparentid AND above.convalidated))
   AND (c.relkind IN ('r', 'p')) AND (p.relkind IN ('r', 'p'))
 ORDER BY 2, 3, 1
"""  # noqa: S608  our own fragments


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """One foreign key of the catalogue; columns and operators by position.

    Attributes:
        whole_child, whole_parent: the table is partitioned: all of it is meant.
        full: MATCH FULL.
        period: the last column is a PERIOD.
    """

    name: str
    schema: str
    table: str
    whole_child: bool
    parent_schema: str
    parent: str
    whole_parent: bool
    validated: bool
    full: bool
    enforced: bool
    period: bool
    columns: list[str]
    parent_columns: list[str]
    operator_schemas: list[str]
    operators: list[str]

    @property
    def full_name(self) -> str:
        """`schema.table.name`."""
        return f"{self.schema}.{self.table}.{self.name}"


def check_foreign_keys(context: Context) -> Checked:
    """Return the check `foreign-keys`."""
    findings: list[Finding] = []
    with context.reading() as connection:
        keys = read_keys(connection)
        unproven = [key for key in keys if not _is_proven(key, context)]
        for key in unproven:
            findings += _judge(context, key, _orphans(connection, key))
    joined = f", {len(unproven)} of them by anti-join" if unproven else ""
    return judged(
        "foreign-keys", findings, observed=f"{len(keys)} keys hold{joined}" if not findings else None
    )


def _is_proven(key: ForeignKey, context: Context) -> bool:
    unproven = context.restored.unproven_keys
    return key.validated and unproven is not None and key.full_name not in unproven


def read_keys(connection: Connection) -> list[ForeignKey]:
    """Return the foreign keys between the user's tables."""
    new = connection.info.server_version >= _PERIODS_SINCE
    query = _KEYS.format(
        enforced="k.conenforced" if new else "true", period="k.conperiod" if new else "false"
    )
    return [ForeignKey(*row) for row in connection.execute(query.encode()).fetchall()]


def anti_join(key: ForeignKey) -> sql.Composed:
    """Return the statement that counts the rows which break *key*."""
    child = [sql.Identifier("c", column) for column in key.columns]
    every = sql.SQL(" AND ").join(sql.SQL("{} IS NOT NULL").format(column) for column in child)
    orphan = sql.SQL("({every}) AND NOT ({held})").format(every=every, held=_held(key, child))
    if key.full:
        some = sql.SQL(" OR ").join(sql.SQL("{} IS NOT NULL").format(column) for column in child)
        orphan = sql.SQL("({orphan}) OR (({some}) AND NOT ({every}))").format(
            orphan=orphan, some=some, every=every
        )
    return sql.SQL("SELECT count(*) FROM {table} c WHERE {orphan}").format(
        table=_from(key.schema, key.table, whole=key.whole_child), orphan=orphan
    )


def _held(key: ForeignKey, child: list[sql.Identifier]) -> sql.Composed:
    """Return the condition under which a row of the child has its parent."""
    parent = [sql.Identifier("p", column) for column in key.parent_columns]
    equal = [
        sql.SQL("{} OPERATOR({}.{}) {}").format(theirs, sql.Identifier(schema), sql.SQL(operator), ours)
        for theirs, schema, operator, ours in zip(
            parent, key.operator_schemas, key.operators, child, strict=True
        )
    ]
    source = _from(key.parent_schema, key.parent, whole=key.whole_parent)
    if not key.period:
        return sql.SQL("EXISTS (SELECT FROM {} p WHERE {})").format(source, sql.SQL(" AND ").join(equal))
    return sql.SQL(
        "coalesce((SELECT pg_catalog.range_agg({}) FROM {} p WHERE {}) OPERATOR(pg_catalog.@>) {}, false)"
    ).format(parent[-1], source, sql.SQL(" AND ").join(equal[:-1]), child[-1])


def _from(schema: str, table: str, *, whole: bool) -> sql.Composed:
    return sql.SQL("{} {}").format(sql.SQL("" if whole else "ONLY"), sql.Identifier(schema, table))


def _orphans(connection: Connection, key: ForeignKey) -> int:
    (orphans,) = connection.execute(anti_join(key)).fetchone() or (0,)
    return int(orphans)


def _judge(context: Context, key: ForeignKey, orphans: int) -> list[Finding]:
    level = context.target.checks.foreign_keys
    if orphans:
        sentence = (
            f"{orphans:,} rows of {key.schema}.{key.table} have no match in {key.parent_schema}.{key.parent}"
            f" under the key {key.name}"
        )
        if key.validated:
            message = f"{sentence}. The key is marked valid, and nothing checked these rows when they came."
            return [lowered(finding("foreign-key-orphans", message, where=key.full_name), level)]
        state = "NOT VALID" if key.enforced else "NOT ENFORCED"
        orphaned = finding("foreign-key-orphans", f"{sentence}, which is {state}.", where=key.full_name)
        return [at_source(orphaned, level, asked=key.enforced and context.asked("foreign_keys"))]
    if key.validated:
        return []
    message = f"The key {key.name} is NOT VALID; none of its rows breaks it."
    return [finding("foreign-key-not-valid", message, where=key.full_name, severity=Severity.INFO)]
