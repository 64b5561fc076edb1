from __future__ import annotations

import hashlib
import pickle
from pathlib import Path
from typing import Any

import pytest

from tasks.config import load_fleet
from tasks.model.errors import ConfigInvalid
from tasks.model.redact import redact
from tasks.model.target import Selection, TableDrift
from tests.unit.config.fleets import TODAY, fleet_of, refusal, target_of, text_refusal, written

EVERY_KEY = """\
version: 1
fleet: shop
evidence: s3://acme-drills/shop/
report_url: https://drills.example/shop
store:
  region: eu-west-1
  endpoint_url: http://127.0.0.1:9000
  role_arn: arn:aws:iam::123456789012:role/recovery
  external_id: x
schedules:
  - {name: nightly, cron: "0 3 * * *", timezone: Europe/Berlin}
  - {name: quarterly, cron: "0 5 1 1,4,7,10 *", select: random}
work_pool: restore-drills
max_parallel: 3
defaults:
  rpo: 26h
  rto: {objective: 1h, overhead: 15m}
databases:
  - name: orders
    owner: team-dba
    tier: gold
    labels: {pci: "yes", cost: 7}
    backup:
      kind: dump
      at: s3://acme/prod/{database}/%Y/%m/%d/{database}_%Y%m%dT%H%M%SZ.dump
      globals: s3://acme/prod/{fleet}/globals_%Y%m%dT%H%M%SZ.sql
      timezone: UTC
      window: 30d
      select: {newest: {walk_back: 3}}
      database: orders_db
      checksum: required
      manifest: none
      decrypt: {age: {identity_file: keys/age.txt}}
    sandbox:
      postgres: 17
      postgres_source: installed
      extensions: {allow: [pg_trgm], absent_ok: [aws_s3]}
      profile: production
      jobs: 4
      disk: 50GiB
      isolation: required
      restore_as: superuser
      keep_on_failure: 24h
    expect:
      suite: null
      required_tables: [public.orders, shop.Gift Cards]
      required_roles: [app]
      freshness: {table: public.orders, column: placed_at, max_age: 26h}
      drift:
        rows_drop: 5%
        rows_grow: 80%
        min_rows: 10
        tables: {"public.sessions*": ignore, public.events: {rows_drop: 30%}}
        baseline: {last: 7, seed: null}
    checks: {counts: off, foreign_keys: warning, sequences: off, large_objects: failure, matviews: failure,
             amcheck: warning, full_read: failure, budget: 30m}
    accept: [{rule: rows-dropped, where: public.orders, until: 2027-01-31, why: yearly purge}]
    deadline: 2h
"""


def test_every_key_of_the_schema_loads_from_the_start(tmp_path: Path) -> None:
    text = EVERY_KEY.replace("cost: 7", 'cost: "7"')
    fleet = load_fleet(written(tmp_path, text), today=TODAY)
    orders = fleet.target("orders")
    assert (fleet.name, fleet.max_parallel, fleet.evidence) == ("shop", 3, "s3://acme-drills/shop")
    assert fleet.sha256 == orders.fleet_sha256 == hashlib.sha256(text.encode()).hexdigest()
    assert [(s.name, s.timezone) for s in fleet.schedules] == [
        ("nightly", "Europe/Berlin"),
        ("quarterly", "UTC"),
    ]
    assert fleet.schedules[1].select == Selection(kind="random")
    assert orders.backup.at == "s3://acme/prod/orders/%Y/%m/%d/orders_%Y%m%dT%H%M%SZ.dump"
    assert orders.dump.globals == "s3://acme/prod/shop/globals_%Y%m%dT%H%M%SZ.sql"
    assert orders.backup.select.walk_back == 3
    assert orders.dump.decrypt is not None
    assert orders.dump.decrypt.age is not None
    assert orders.dump.decrypt.age.identity_file == tmp_path / "keys/age.txt"
    assert (orders.sandbox.disk, orders.sandbox.keep_on_failure) == (50 << 30, 86400.0)
    assert orders.expect.drift.tables == {
        "public.sessions*": "ignore",
        "public.events": TableDrift(rows_drop="30%"),
    }
    assert (orders.checks.counts, orders.checks.sequences, orders.checks.budget) == ("off", "off", 1800.0)
    assert orders.fleet_databases == ("orders", "orders_db")
    assert orders.report_url == "https://drills.example/shop"


def test_a_fleet_needs_little_and_the_rest_has_defaults(tmp_path: Path) -> None:
    fleet = fleet_of(tmp_path, {"name": "orders"})
    target = fleet.targets[0]
    assert target.evidence == str(tmp_path / "evidence")
    assert (target.rpo, target.rto, target.backup.select.kind, target.backup.window) == (
        None,
        None,
        "newest",
        30 * 86400,
    )
    assert (fleet.work_pool, fleet.max_parallel, fleet.schedules) == ("restore-drills", 2, ())


def test_targets_and_fleets_survive_pickle(tmp_path: Path) -> None:
    fleet = fleet_of(tmp_path, {})
    assert pickle.loads(pickle.dumps(fleet)) == fleet  # noqa: S301


class TestDefaults:
    def test_defaults_merge_deeply_and_the_database_has_the_last_word(self, tmp_path: Path) -> None:
        defaults = {
            "rpo": "26h",
            "expect": {"drift": {"rows_drop": "5%", "rows_grow": "9%"}},
            "labels": {"a": "1"},
        }
        own = {"expect": {"drift": {"rows_drop": "7%"}}, "labels": {"b": "2"}}
        target = target_of(tmp_path, own, defaults=defaults)
        assert (target.rpo, target.labels) == (26 * 3600, {"a": "1", "b": "2"})
        assert (target.expect.drift.rows_drop, target.expect.drift.rows_grow) == (0.07, 0.09)

    def test_lists_replace_and_null_switches_off(self, tmp_path: Path) -> None:
        fresh = {"table": "public.a", "column": "c", "max_age": "1h"}
        defaults = {"rpo": "26h", "expect": {"required_tables": ["public.a"], "freshness": fresh}}
        own = {"rpo": None, "expect": {"required_tables": ["public.b"], "freshness": None}}
        target = target_of(tmp_path, own, defaults=defaults)
        assert (target.rpo, target.expect.required_tables, target.expect.freshness) == (
            None,
            ("public.b",),
            None,
        )

    def test_an_empty_section_says_nothing(self, tmp_path: Path) -> None:
        target = target_of(tmp_path, {"checks": None}, defaults={"checks": {"matviews": "off"}}, store=None)
        assert target.checks.matviews == "off"

    def test_a_short_rto_keeps_the_default_overhead(self, tmp_path: Path) -> None:
        target = target_of(tmp_path, {"rto": "2h"}, defaults={"rto": {"objective": "1h", "overhead": "15m"}})
        assert target.rto is not None
        assert (target.rto.objective, target.rto.overhead) == (7200, 900)

    def test_one_selection_replaces_another_whole(self, tmp_path: Path) -> None:
        own = {"backup": {"at": "/b/%Y%m%d", "select": {"key": "x.dump"}}}
        target = target_of(tmp_path, own, defaults={"backup": {"select": {"newest": {"walk_back": 3}}}})
        assert target.backup.select == Selection(kind="key", key="x.dump")

    def test_a_database_overrides_the_fleet_s_store_key_by_key(self, tmp_path: Path) -> None:
        store = {"region": "eu-west-1", "external_id": "x"}
        fleet = fleet_of(tmp_path, {"store": {"region": "us-east-1"}}, {}, store=store)
        assert [(t.store.region, t.store.external_id) for t in fleet.targets] == [
            ("us-east-1", "x"),
            ("eu-west-1", "x"),
        ]

    def test_anchors_and_merge_keys_are_understood(self, tmp_path: Path) -> None:
        text = "version: 1\nfleet: shop\ndatabases:\n  - &a {name: x, rpo: 2h, backup: {at: /b/%Y}}\n"
        text += "  - {<<: *a, name: y}\n"
        fleet = load_fleet(written(tmp_path, text))
        assert [(t.name, t.rpo) for t in fleet.targets] == [("x", 7200), ("y", 7200)]

    def test_a_mistake_in_the_defaults_is_told_once_and_where_it_stands(self, tmp_path: Path) -> None:
        text = "version: 1\nfleet: shop\ndefaults:\n  rpo: 26\ndatabases:\n"
        text += "".join(f"  - {{name: d{i}, backup: {{at: /b/%Y}}}}\n" for i in range(3))
        assert (
            text_refusal(tmp_path, text)
            == f'{tmp_path}/fleet.yaml:4: defaults.rpo: "26" has no unit; write 26h'
        )


class TestPaths:
    def test_relative_paths_start_from_the_fleet_file(self, tmp_path: Path) -> None:
        (tmp_path / "s.yaml").write_text("suite: s\n")
        (tmp_path / "seeds").mkdir()
        (tmp_path / "seeds/db0.json").write_text("{}")
        expect = {"suite": "./s.yaml", "drift": {"baseline": {"seed": "seeds/{database}.json"}}}
        target = target_of(tmp_path, {"expect": expect, "backup": {"at": "../dumps/%Y/"}}, evidence="out")
        assert target.expect.suite == tmp_path / "s.yaml"
        assert target.expect.drift.baseline.seed == tmp_path / "seeds/db0.json"
        assert target.backup.at == f"{tmp_path.parent}/dumps/%Y/"
        assert target.evidence == str(tmp_path / "out")

    def test_a_bare_suite_name_is_found_in_the_project_around_the_fleet_file(self, tmp_path: Path) -> None:
        suites = tmp_path / "expectations" / "suites"
        fleets = tmp_path / "deployments" / "fleets"
        suites.mkdir(parents=True)
        fleets.mkdir(parents=True)
        (suites / "orders.yaml").write_text("suite: orders\n")
        assert target_of(fleets, {"expect": {"suite": "orders"}}).expect.suite == suites / "orders.yaml"

    def test_an_unknown_suite_says_where_it_was_looked_for(self, tmp_path: Path) -> None:
        assert "expectations/suites/ordrs.yaml is neither" in refusal(
            tmp_path, {"expect": {"suite": "ordrs"}}
        )

    def test_a_missing_file_is_named_with_its_full_path(self, tmp_path: Path) -> None:
        assert f"{tmp_path}/no/s.yaml is not there" in refusal(tmp_path, {"expect": {"suite": "no/s.yaml"}})

    @pytest.mark.parametrize(("text", "path"), [("file:///var/e", "/var/e"), ("/var/e", "/var/e")])
    def test_evidence_may_be_a_folder(self, tmp_path: Path, text: str, path: str) -> None:
        assert fleet_of(tmp_path, {}, evidence=text).evidence == path

    def test_evidence_elsewhere_is_refused(self, tmp_path: Path) -> None:
        assert 'evidence: "gs://x/y" is no place' in refusal(tmp_path, evidence="gs://x/y")


@pytest.mark.parametrize(
    ("database", "message"),
    [
        ({"rpo": 6}, 'databases[0].rpo: "6" has no unit; write 6h'),
        ({"rpo": "1:30"}, 'databases[0].rpo: "1:30" is not a duration'),
        ({"rpo": "-6h"}, '"-6h" is negative'),
        ({"rpo": "0h"}, "databases[0].rpo: 0 can never be met"),
        ({"deadline": None}, "databases[0].deadline: null is no value of this key"),
        ({"rpoo": "6h"}, 'databases[0].rpoo: unknown key; did you mean "rpo"?'),
        ({"select": "newest"}, 'databases[0].select: unknown key here; "select" belongs under "backup"'),
        ({"zzz": 1}, "databases[0].zzz: unknown key; known here: name, owner"),
        ({"backup": {}}, "databases[0].backup.at: missing"),
        (
            {"backup": {"at": "s3://b/{databse}"}},
            'databases[0].backup.at: "{databse}" is not known; write {database}',
        ),
        ({"backup": {"at": "/b/%Q"}}, "%Q is not a field"),
        ({"backup": {"at": "/b/%Y", "timezone": "Mars"}}, '"Mars" is not a time zone'),
        ({"backup": {"at": "/b/%Y", "kind": "rds_snapshot"}}, '"rds_snapshot" comes later'),
        (
            {"backup": {"at": "/b/%Y", "kind": "dmp"}},
            'backup.kind: "dmp" is not known; write dump',
        ),
        ({"backup": {"at": "/b/%Y", "kind": None}}, "backup.kind: null is no value of this key"),
        ({"backup": {"at": "/b/%Y", "kind": ["dump"]}}, "backup.kind: a list is not known; write dump"),
        ({"backup": "/b/%Y"}, 'backup: "/b/%Y" is not valid; write a mapping'),
        ({"backup": {"at": "/b/%Y", "checksums": "none"}}, 'unknown key; did you mean "checksum"?'),
        ({"backup": {"at": "/b/%Y", "window": "0d"}}, "backup.window: 0 can never be met"),
        ({"backup": {"at": "/b/%Y", "decrypt": {}}}, "backup.decrypt: name exactly one of gpg and age"),
        ({"backup": {"at": "/b/%Y", "decrypt": {"age": {}}}}, "no key is named"),
        ({"backup": {"at": "/b/%Y", "globals": "ftp://x"}}, "backup.globals: ftp:// is no store"),
        (
            {"sandbox": {"postgres": "abc"}},
            'sandbox.postgres: "abc" is not valid; write auto or a whole number',
        ),
        ({"sandbox": {"postgres": 9}}, "write auto or a number of at least 10"),
        ({"sandbox": {"jobs": True}}, 'sandbox.jobs: "true" is not valid; write auto or a whole number'),
        ({"sandbox": {"disk": "50GB"}}, 'sandbox.disk: "50GB" has an unknown unit "GB"'),
        ({"sandbox": {"isolation": "yes"}}, "write required, preferred or off"),
        (
            {"sandbox": {"extensions": ["pg_trgm"]}},
            "sandbox.extensions: a list is not valid; write a mapping",
        ),
        ({"expect": {"required_tables": "orders"}}, 'required_tables: "orders" is not valid; write a list'),
        ({"expect": {"required_tables": ["orders"]}}, '"orders" has no schema; write public.orders'),
        (
            {"expect": {"required_tables": ['public."Gift Cards"']}},
            "write the catalogue's name: public.Gift Cards",
        ),
        ({"expect": {"freshness": {"table": "public.a"}}}, "expect.freshness.column: missing"),
        ({"expect": {"drift": {"tables": {"sessions": "ignore"}}}}, '"sessions" has no schema'),
        (
            {"expect": {"drift": {"tables": {"public.a": "ignored"}}}},
            '"ignored" is not valid; write ignore or a mapping',
        ),
        ({"expect": {"drift": {"tables": {"public.a": {"rows_drp": "1%"}}}}}, 'did you mean "rows_drop"?'),
        ({"expect": {"drift": {"rows_drop": 10}}}, 'drift.rows_drop: "10" has no unit; write 10%'),
        ({"expect": {"drift": {"min_rows": -1}}}, "write a number of at least 0"),
        ({"checks": {"amcheck": "on"}}, 'checks.amcheck: "on" is not valid; write failure, warning or off'),
        ({"owner": 12}, 'databases[0].owner: "12" is not valid; write text'),
        ({"labels": ["a"]}, "labels: a list is not valid; write a mapping"),
        ({"name": "a/b"}, 'databases[0].name: "a/b" cannot be a name here; write a-b'),
        ({"name": ".."}, 'databases[0].name: ".." cannot be a name'),
        ({"name": None}, "databases[0].name: null is no value"),
    ],
)
def test_a_bad_value_names_path_value_and_remedy(
    tmp_path: Path, database: dict[str, Any], message: str
) -> None:
    assert message in refusal(tmp_path, database)


@pytest.mark.parametrize(
    ("top", "message"),
    [
        ({"version": 2}, 'version: "2" is not valid; write 1'),
        ({"fleet": "Shop Fleet"}, 'fleet: "Shop Fleet" is not a DNS label; write shop-fleet'),
        ({"max_parallel": 0}, 'max_parallel: "0" is not valid; write a number of at least 1'),
        ({"databases": []}, "databases: a list is not valid; write a list with at least one entry"),
        ({"databases": {"orders": {}}}, "databases: a mapping is not valid; write a list"),
        ({"databases": ["orders"]}, 'databases[0]: "orders" is not valid; write a mapping'),
        ({"databses": []}, 'databses: unknown key; did you mean "databases"?'),
        ({"schedule": {"cron": "0 25 * * *"}}, 'schedule.cron: "0 25 * * *": the hour "25"'),
        ({"schedule": {"cron": "@nightly"}}, 'schedule.cron: "@nightly" is no name of a schedule'),
        (
            {"schedule": {"cron": "0 3 * * *", "timezone": "Mars"}},
            'schedule.timezone: "Mars" is not a time zone',
        ),
        (
            {"schedule": {"cron": "0 3 * * *", "select": "oldest"}},
            'schedule.select: "oldest" is no selection',
        ),
        ({"schedule": "0 3 * * *"}, 'schedule: "0 3 * * *" is not valid; write a mapping'),
        (
            {"schedules": [{"cron": "0 3 * * *"}, {"cron": "0 4 * * *"}]},
            'schedules[1].name: "drill" is taken',
        ),
        ({"schedule": {"cron": "0 3 * * *"}, "schedules": [{"cron": "0 4 * * *"}]}, "keep one of them"),
        ({"report_url": "drills.example"}, 'report_url: "drills.example" is no web address'),
        ({"defaults": {"name": "x"}}, "defaults.name: each database has its own name"),
        (
            {"defaults": {"window": "3d"}},
            'defaults.window: unknown key here; "window" belongs under "backup"',
        ),
    ],
)
def test_a_bad_fleet_key_names_path_value_and_remedy(
    tmp_path: Path, top: dict[str, Any], message: str
) -> None:
    assert message in refusal(tmp_path, **top)


def test_all_problems_are_told_at_once_in_the_file_s_order(tmp_path: Path) -> None:
    text = "version: 1\nfleet: shop\nmax_parallel: none\ndatabases:\n"
    text += "  - name: a\n    rpo: 6\n    backup: {at: /b/%Q}\n"
    lines = text_refusal(tmp_path, text).splitlines()
    assert [line.removeprefix(f"{tmp_path}/fleet.yaml:").split(":")[0] for line in lines] == ["3", "6", "7"]


def test_two_databases_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigInvalid, match=r'databases\[1\].name: "a" is databases\[0\] already'):
        fleet_of(tmp_path, {"name": "a"}, {"name": "a"})


def test_off_and_no_are_words_not_truth_values(tmp_path: Path) -> None:
    text = "version: 1\nfleet: shop\ndatabases:\n"
    text += "  - {name: no, owner: yes, checks: {matviews: off, amcheck: false}, backup: {at: /b}}\n"
    target = load_fleet(written(tmp_path, text)).targets[0]
    assert (target.name, target.owner, target.checks.matviews, target.checks.amcheck) == (
        "no",
        "yes",
        "off",
        "off",
    )


class TestAccept:
    @staticmethod
    def entry(**change: Any) -> dict[str, Any]:
        entry = {
            "rule": "rows-dropped",
            "where": "public.a",
            "until": TODAY.replace(year=2027, month=1),
            "why": "purge",
        }
        return {"accept": [entry | change]}

    def test_dated_drift_is_taken_in(self, tmp_path: Path) -> None:
        assert target_of(tmp_path, self.entry()).accept[0].until.isoformat() == "2027-01-20"

    def test_an_entry_that_has_run_out_does_not_stop_the_fleet(self, tmp_path: Path) -> None:
        assert target_of(tmp_path, self.entry(until=TODAY.replace(year=2025))).accept

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (
                {"until": "2027-06-01"},
                '"2027-06-01" is more than 180 days ahead; write 2027-05-19 at the latest',
            ),
            ({"until": "soon"}, 'accept[0].until: "soon" is not valid; write a date such as'),
            ({"rule": "archive-truncated"}, '"archive-truncated" cannot be accepted, only drift can'),
            ({"rule": "rows-droped"}, '"rows-droped" is no rule; did you mean "rows-dropped"?'),
            ({"why": ""}, "accept[0].why"),
        ],
    )
    def test_anything_else_is_refused(self, tmp_path: Path, change: dict[str, Any], message: str) -> None:
        assert message in refusal(tmp_path, self.entry(**change))


class TestSecrets:
    @pytest.mark.parametrize(
        ("top", "canary"),
        [
            ({"store": {"endpoint_url": "http://me:canary77@127.0.0.1:9000"}}, "canary77"),
            ({"report_url": "https://x.example/r?X-Amz-Signature=canary77"}, "canary77"),
            ({"store": {"region": "AKIAIOSFODNN7CANARY7"}}, "AKIAIOSFODNN7CANARY7"),
            ({"defaults": {"backup": {"at": "s3://me:canary77@b/%Q"}}}, "canary77"),
            ({"store": {"secret_access_key": "canary77"}}, "canary77"),
            ({"fleet": "AGE-SECRET-KEY-1CANARY77"}, "CANARY77"),
        ],
    )
    def test_an_inline_secret_is_refused_and_not_repeated(
        self, tmp_path: Path, top: dict[str, Any], canary: str
    ) -> None:
        message = refusal(tmp_path, **top)
        assert canary not in message
        assert canary.lower() not in message
        assert "credentials come from the environment" in message
        assert redact(message) == message, "what masks our output leaves the remedy readable"

    @pytest.mark.parametrize(
        "decrypt", ["canary77", {"gpg": "canary77"}, {"age": {"identity_file": ["canary77"]}}]
    )
    def test_a_key_written_where_a_reference_belongs_is_not_repeated(
        self, tmp_path: Path, decrypt: object
    ) -> None:
        message = refusal(tmp_path, defaults={"backup": {"decrypt": decrypt}})
        assert "canary77" not in message
        assert "decrypt" in message


def test_choosing_databases_keeps_the_file_s_order_and_knows_neighbours(tmp_path: Path) -> None:
    fleet = fleet_of(tmp_path, {"name": "a"}, {"name": "bees"}, {"name": "c"})
    assert [t.name for t in fleet.chosen(["c", "a"])] == ["a", "c"]
    assert len(fleet.chosen([])) == 3
    with pytest.raises(ConfigInvalid, match='has no database "bee"; did you mean "bees"'):
        fleet.target("bee")
    with pytest.raises(ConfigInvalid, match="it has a, bees, c"):
        fleet.target("zzzzz")


def fresh(**keys: str) -> dict[str, Any]:
    return {"expect": {"freshness": {"table": "public.t", "column": "at", "max_age": "6h"} | keys}}


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/Los_Angeles", "Etc/GMT-2", "UTC"])
def test_freshness_takes_the_zones_of_iana(tmp_path: Path, zone: str) -> None:
    expect = target_of(tmp_path, fresh(timezone=zone)).expect
    assert expect.freshness is not None
    assert expect.freshness.timezone == zone


@pytest.mark.parametrize("zone", ["Europe/Belrin", "CET+1", "../zone", "/etc/passwd", ""])
def test_a_zone_that_is_none_is_refused_and_named(tmp_path: Path, zone: str) -> None:
    said = refusal(tmp_path, fresh(timezone=zone))
    assert "databases[0].expect.freshness.timezone" in said
    assert "write an IANA name such as Europe/Berlin" in said


def test_a_unit_that_is_none_is_refused(tmp_path: Path) -> None:
    assert "databases[0].expect.freshness.unit" in refusal(tmp_path, fresh(unit="minutes"))
