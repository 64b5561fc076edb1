"""Which extensions a drill may create for a dump, unless the fleet file says otherwise.

CREATE EXTENSION runs as superuser, whatever the dump asked for it with. So the default list names
extensions that are widely used and cannot be turned against the worker by data alone; untrusted languages,
which run any program, and those that read the server's files are not on it.
"""

from __future__ import annotations

from tasks.model.backup import Toc
from tasks.model.target import Extensions

DEFAULT = "default"

_CONTRIB = """
    amcheck autoinc bloom btree_gin btree_gist citext cube dblink dict_int dict_xsyn earthdistance
    fuzzystrmatch hstore insert_username intagg intarray isn lo ltree moddatetime old_snapshot pageinspect
    pg_buffercache pg_freespacemap pg_logicalinspect pg_overexplain pg_prewarm pg_stat_statements pg_trgm
    pg_visibility pg_walinspect pgcrypto pgrowlocks pgstattuple plpgsql postgres_fdw refint seg sslinfo
    tablefunc tcn timetravel tsm_system_rows tsm_system_time unaccent uuid-ossp xml2
"""
_WELL_KNOWN = """
    address_standardizer address_standardizer_data_us age anon apache_age citus citus_columnar cron ddlx
    first_last_agg h3 h3_postgis hll hypopg icu_ext ip4r jsquery orafce pg_bigm pg_cron pg_graphql pg_hashids
    pg_hint_plan pg_ivm pg_jsonschema pg_partman pg_qualstats pg_rational pg_repack pg_search pg_similarity
    pg_stat_kcache pg_stat_monitor pg_textsearch pg_uuidv7 pg_wait_sampling pgaudit pgjwt pgmq pgroonga
    pgrouting pgsodium pgtap pgvector pgvectorscale pointcloud pointcloud_postgis postgis postgis_raster
    postgis_sfcgal postgis_tiger_geocoder postgis_topology prefix q3c rum semver set_user smlar tdigest
    temporal_tables timescaledb timescaledb_toolkit topn unit vchord vector vectorscale zhparser
    bool_plperl hstore_plperl jsonb_plperl plperl plcoffee plls pllua pltcl plv8
"""
DEFAULT_EXTENSIONS = frozenset(f"{_CONTRIB} {_WELL_KNOWN}".split())


def is_allowed(extension: str, config: Extensions) -> bool:
    """Say whether *extension* may be created; a fleet file's list may name `default` besides others."""
    if config.allow == DEFAULT:
        return extension in DEFAULT_EXTENSIONS
    return extension in config.allow or (DEFAULT in config.allow and extension in DEFAULT_EXTENSIONS)


def required_extensions(toc: Toc) -> tuple[str, ...]:
    """Return the extensions that an archive lists, without plpgsql, which every database has."""
    return tuple(entry.tag for entry in toc.of("EXTENSION") if entry.tag != "plpgsql")
