"""What a database holds, named as pg_dump names it in a table of contents.

One query lists everything: owners are set and missing entries found by comparing sets, never object by
object. Statements against these objects are built from the catalogue's own quoting (`target`), not from a
dump's text.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import psycopg

_OBJECTS = r"""
WITH spaces AS (
    SELECT oid, nspname, quote_ident(nspname) || '.' AS prefix FROM pg_namespace
    WHERE nspname NOT IN ('pg_catalog', 'information_schema') AND nspname !~ '^pg_(toast|temp)'
), members AS (
    SELECT classid, objid FROM pg_depend WHERE deptype = 'e'
), relations AS (
    SELECT c.oid, c.relname, c.relkind, c.relrowsecurity, c.relispartition, c.relowner, s.nspname, s.prefix
    FROM pg_class c JOIN spaces s ON s.oid = c.relnamespace
)
SELECT CASE relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' WHEN 'S' THEN 'SEQUENCE'
            WHEN 'f' THEN 'FOREIGN TABLE' ELSE 'TABLE' END, nspname::text, relname::text,
       CASE relkind WHEN 'v' THEN 'VIEW ' WHEN 'm' THEN 'MATERIALIZED VIEW ' WHEN 'S' THEN 'SEQUENCE '
            WHEN 'f' THEN 'FOREIGN TABLE ' ELSE 'TABLE ' END || prefix || quote_ident(relname),
       CASE WHEN relkind = 'S' AND EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass
            AND d.objid = r.oid AND d.deptype IN ('a', 'i')) THEN NULL ELSE pg_get_userbyid(relowner) END
FROM relations r WHERE relkind IN ('r', 'p', 'v', 'm', 'S', 'f')
UNION ALL SELECT 'INDEX', nspname, relname, NULL, NULL FROM relations WHERE relkind IN ('i', 'I')
UNION ALL SELECT 'INDEX ATTACH', nspname, relname, NULL, NULL FROM relations
    WHERE relkind IN ('i', 'I') AND relispartition
UNION ALL SELECT 'TABLE ATTACH', nspname, relname, NULL, NULL FROM relations
    WHERE relkind NOT IN ('i', 'I') AND relispartition
UNION ALL SELECT 'ROW SECURITY', nspname, relname, NULL, NULL FROM relations WHERE relrowsecurity UNION ALL
SELECT CASE contype WHEN 'f' THEN 'FK CONSTRAINT' WHEN 'c' THEN 'CHECK CONSTRAINT' ELSE 'CONSTRAINT' END,
       r.nspname, r.relname || ' ' || conname, NULL, NULL
    FROM pg_constraint k JOIN relations r ON r.oid = k.conrelid
UNION ALL SELECT 'CHECK CONSTRAINT', s.nspname, t.typname || ' ' || conname, NULL, NULL
    FROM pg_constraint k JOIN pg_type t ON t.oid = k.contypid JOIN spaces s ON s.oid = t.typnamespace
UNION ALL SELECT 'TRIGGER', r.nspname, r.relname || ' ' || tgname, NULL, NULL
    FROM pg_trigger g JOIN relations r ON r.oid = g.tgrelid WHERE NOT tgisinternal
UNION ALL SELECT 'RULE', r.nspname, r.relname || ' ' || rulename, NULL, NULL
    FROM pg_rewrite w JOIN relations r ON r.oid = w.ev_class
UNION ALL SELECT 'POLICY', r.nspname, r.relname || ' ' || polname, NULL, NULL
    FROM pg_policy p JOIN relations r ON r.oid = p.polrelid
UNION ALL SELECT 'DEFAULT', r.nspname, r.relname || ' ' || attname, NULL, NULL
    FROM pg_attrdef d JOIN relations r ON r.oid = d.adrelid
    JOIN pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum
UNION ALL SELECT CASE prokind WHEN 'a' THEN 'AGGREGATE' WHEN 'p' THEN 'PROCEDURE' ELSE 'FUNCTION' END,
s.nspname,
       proname || '(' || CASE WHEN prokind = 'a' AND pronargs = 0 THEN '*' ELSE coalesce((SELECT
           string_agg(format_type(t, NULL), ', ' ORDER BY o) FROM unnest(proargtypes) WITH ORDINALITY u (t,
           o)), '') END || ')',
       CASE prokind WHEN 'a' THEN 'AGGREGATE ' WHEN 'p' THEN 'PROCEDURE ' ELSE 'FUNCTION ' END
           || prefix || quote_ident(proname) || '(' || CASE WHEN prokind = 'a' AND pronargs = 0 THEN '*' ELSE
           pg_get_function_identity_arguments(p.oid) END || ')',
       pg_get_userbyid(proowner)
    FROM pg_proc p JOIN spaces s ON s.oid = p.pronamespace
    WHERE NOT EXISTS (SELECT FROM members m WHERE m.classid = 'pg_proc'::regclass AND m.objid = p.oid)
UNION ALL SELECT CASE typtype WHEN 'd' THEN 'DOMAIN' ELSE 'TYPE' END, s.nspname, typname,
       CASE typtype WHEN 'd' THEN 'DOMAIN ' ELSE 'TYPE ' END || prefix || quote_ident(typname),
       pg_get_userbyid(typowner)
    FROM pg_type t JOIN spaces s ON s.oid = t.typnamespace LEFT JOIN pg_class c ON c.oid = t.typrelid
    WHERE typtype IN ('d', 'e', 'r', 'b') AND typelem = 0 OR typtype IN ('b', 'p') AND typarray <> 0
       OR typtype = 'c' AND c.relkind = 'c' OR typtype = 'p'
UNION ALL SELECT 'SCHEMA', '', nspname, 'SCHEMA ' || quote_ident(nspname), pg_get_userbyid(nspowner)
    FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
UNION ALL SELECT 'OPERATOR', s.nspname, oprname,
       'OPERATOR ' || prefix || oprname || ' (' || CASE oprleft WHEN 0 THEN 'NONE' ELSE format_type(oprleft,
       NULL) END || ', ' || CASE oprright WHEN 0 THEN 'NONE' ELSE format_type(oprright, NULL) END || ')',
       pg_get_userbyid(oprowner)
    FROM pg_operator o JOIN spaces s ON s.oid = o.oprnamespace WHERE oprcode <> 0
       AND NOT EXISTS (SELECT FROM members m WHERE m.classid = 'pg_operator'::regclass AND m.objid = o.oid)
UNION ALL SELECT 'OPERATOR CLASS', s.nspname, opcname, 'OPERATOR CLASS ' || prefix || quote_ident(opcname)
       || ' USING ' || quote_ident(amname), pg_get_userbyid(opcowner)
    FROM pg_opclass o JOIN spaces s ON s.oid = o.opcnamespace JOIN pg_am a ON a.oid = opcmethod
UNION ALL SELECT 'OPERATOR FAMILY', s.nspname, opfname, 'OPERATOR FAMILY ' || prefix || quote_ident(opfname)
       || ' USING ' || quote_ident(amname), pg_get_userbyid(opfowner)
    FROM pg_opfamily o JOIN spaces s ON s.oid = o.opfnamespace JOIN pg_am a ON a.oid = opfmethod
UNION ALL SELECT 'COLLATION', s.nspname, collname, 'COLLATION ' || prefix || quote_ident(collname),
       pg_get_userbyid(collowner) FROM pg_collation l JOIN spaces s ON s.oid = l.collnamespace
UNION ALL SELECT 'CONVERSION', s.nspname, conname, 'CONVERSION ' || prefix || quote_ident(conname),
       pg_get_userbyid(conowner) FROM pg_conversion l JOIN spaces s ON s.oid = l.connamespace
UNION ALL SELECT 'TEXT SEARCH DICTIONARY', s.nspname, dictname,
       'TEXT SEARCH DICTIONARY ' || prefix || quote_ident(dictname), pg_get_userbyid(dictowner)
    FROM pg_ts_dict l JOIN spaces s ON s.oid = l.dictnamespace
UNION ALL SELECT 'TEXT SEARCH CONFIGURATION', s.nspname, cfgname,
       'TEXT SEARCH CONFIGURATION ' || prefix || quote_ident(cfgname), pg_get_userbyid(cfgowner)
    FROM pg_ts_config l JOIN spaces s ON s.oid = l.cfgnamespace
UNION ALL SELECT 'TEXT SEARCH PARSER', s.nspname, prsname, NULL, NULL
    FROM pg_ts_parser l JOIN spaces s ON s.oid = l.prsnamespace
UNION ALL SELECT 'TEXT SEARCH TEMPLATE', s.nspname, tmplname, NULL, NULL
    FROM pg_ts_template l JOIN spaces s ON s.oid = l.tmplnamespace
UNION ALL SELECT 'STATISTICS', s.nspname, stxname, 'STATISTICS ' || prefix || quote_ident(stxname),
       pg_get_userbyid(stxowner) FROM pg_statistic_ext l JOIN spaces s ON s.oid = l.stxnamespace
UNION ALL SELECT 'SERVER', '', srvname, 'SERVER ' || quote_ident(srvname), pg_get_userbyid(srvowner)
    FROM pg_foreign_server
UNION ALL SELECT 'FOREIGN DATA WRAPPER', '', fdwname, NULL, NULL FROM pg_foreign_data_wrapper
UNION ALL SELECT 'PUBLICATION', '', pubname, CASE WHEN puballtables THEN NULL ELSE
       'PUBLICATION ' || quote_ident(pubname) END, pg_get_userbyid(pubowner) FROM pg_publication
UNION ALL SELECT 'PUBLICATION TABLE', r.nspname, pubname || ' ' || r.relname, NULL, NULL
    FROM pg_publication_rel l JOIN pg_publication p ON p.oid = l.prpubid JOIN relations r ON r.oid = l.prrelid
UNION ALL SELECT 'EVENT TRIGGER', '', evtname, NULL, NULL FROM pg_event_trigger UNION ALL SELECT
'EXTENSION', '', extname, NULL, NULL FROM pg_extension UNION ALL SELECT 'CAST', '', 'CAST (' ||
format_type(castsource, NULL) || ' AS ' || format_type(casttarget, NULL)
       || ')', NULL, NULL FROM pg_cast WHERE oid >= 16384
UNION ALL SELECT 'PROCEDURAL LANGUAGE', '', lanname, 'LANGUAGE ' || quote_ident(lanname),
       pg_get_userbyid(lanowner) FROM pg_language l WHERE NOT EXISTS (SELECT FROM members m
       WHERE m.classid = 'pg_language'::regclass AND m.objid = l.oid) AND l.oid >= 16384
UNION ALL SELECT 'PROCEDURAL LANGUAGE', '', lanname, NULL, NULL FROM pg_language l WHERE EXISTS (SELECT
       FROM members m WHERE m.classid = 'pg_language'::regclass AND m.objid = l.oid) OR l.oid < 16384
UNION ALL SELECT 'LARGE OBJECT', '', l.oid::text, 'LARGE OBJECT ' || l.oid, pg_get_userbyid(lomowner)
    FROM pg_largeobject_metadata l
"""
COMPARED = frozenset(
    {
        "TABLE", "FOREIGN TABLE", "VIEW", "MATERIALIZED VIEW", "SEQUENCE", "INDEX", "INDEX ATTACH",
        "TABLE ATTACH", "ROW SECURITY", "FK CONSTRAINT", "CHECK CONSTRAINT", "CONSTRAINT", "TRIGGER",
        "RULE", "POLICY", "DEFAULT", "AGGREGATE", "PROCEDURE", "FUNCTION", "DOMAIN", "TYPE",
        "SHELL TYPE", "SCHEMA", "OPERATOR", "OPERATOR CLASS", "OPERATOR FAMILY", "COLLATION",
        "CONVERSION", "TEXT SEARCH DICTIONARY", "TEXT SEARCH CONFIGURATION", "TEXT SEARCH PARSER",
        "TEXT SEARCH TEMPLATE", "STATISTICS", "SERVER", "FOREIGN DATA WRAPPER", "PUBLICATION",
        "PUBLICATION TABLE", "EVENT TRIGGER", "EXTENSION", "CAST", "PROCEDURAL LANGUAGE",
    }
)  # fmt: skip
"""The kinds of entry whose presence the catalogue can show."""
OF_TABLES = frozenset(
    {"CONSTRAINT", "FK CONSTRAINT", "CHECK CONSTRAINT", "TRIGGER", "POLICY", "RULE", "DEFAULT"}
)
"""The kinds whose tags name a table, or a domain, and then themselves."""
_NAMES_TYPES = frozenset({"AGGREGATE", "CAST", "FUNCTION", "PROCEDURE"})


@dataclass(frozen=True, slots=True)
class DatabaseObject:
    """One object.

    Attributes:
        desc, namespace, tag: as an archive's table of contents has them.
        target: what `ALTER ... OWNER TO` names, quoted; None where it has no owner of its own.
    """

    desc: str
    namespace: str
    tag: str
    target: str | None
    owner: str | None


def list_objects(superuser: psycopg.Connection[tuple[Any, ...]]) -> list[DatabaseObject]:
    """Return everything in the database that a table of contents can list.

    Args:
        superuser: a connection with search_path pg_catalog, on which type names depend.
    """
    return [DatabaseObject(*row) for row in superuser.execute(_OBJECTS).fetchall()]


def key(desc: str, namespace: str, tag: str) -> tuple[str, str, str]:
    """Return what identifies an entry and its object.

    Comments of plain dumps hold no line ends in names; --quote-all-identifiers quotes the types of arguments.
    """
    plain = tag.replace("\n", " ").replace("\r", " ")
    if desc in _NAMES_TYPES:
        plain = plain.replace('"', "")
    kind = "TYPE" if desc == "SHELL TYPE" else desc
    return kind, namespace.replace("\n", " ").replace("\r", " "), plain
