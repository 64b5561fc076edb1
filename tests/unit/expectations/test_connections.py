from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest

from expectations.connections import Database, settled


@pytest.mark.parametrize(
    "url",
    [
        "host=/sock port=6517 dbname='my db' user=drill_reader options='-c search_path='",
        "postgresql://drill_reader@/my%20db?host=/sock&port=6517",
        "postgresql+psycopg://drill_reader@localhost/my%20db?host=/sock&port=6517",
    ],
)
def test_every_way_to_name_a_database_is_read(url: str) -> None:
    values = Database.at(url).values
    assert values == {"host": "/sock", "port": "6517", "dbname": "my db", "user": "drill_reader"}


def test_gx_gets_a_url_with_a_host_and_the_socket_besides() -> None:
    parts = urlsplit(Database.at("host=/sock port=6517 dbname=a%b user=u password=p@ss").gx_url())
    query = parse_qs(parts.query)
    assert parts.scheme == "postgresql+psycopg"
    assert parts.netloc == "u:p%40ss@localhost"
    assert parts.path == "/a%25b"
    assert (query["host"], query["port"]) == (["/sock"], ["6517"])
    assert "default_transaction_read_only=on" in query["options"][0]


def test_names_resolve_in_pg_catalog_alone_and_statements_are_what_they_say() -> None:
    options = parse_qs(urlsplit(Database.at("host=/s dbname=d user=u").gx_url()).query)["options"][0]
    assert "-c search_path=pg_catalog -c row_security=off -c standard_conforming_strings=on" in options


def test_before_each_statement_the_session_is_what_it_was() -> None:
    statement = settled(1.5)
    assert "pg_catalog.set_config('search_path', 'pg_catalog', false)" in statement
    assert "pg_catalog.set_config('statement_timeout', '1500', false)" in statement
