from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest

from expectations.connections import Database


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


def test_a_schema_is_looked_into_whatever_its_name() -> None:
    url = Database.at("host=/s dbname=d user=u").gx_url('My "Shop')
    options = parse_qs(urlsplit(url).query)["options"][0]
    assert options.endswith('-c search_path="My\\ ""Shop",public')
