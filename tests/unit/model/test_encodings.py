"""Names of a dump that is not in UTF-8."""

from __future__ import annotations

import pytest

from tasks.engines.sql.classifier import read_entries
from tasks.model.encodings import reread, reread_entry


@pytest.mark.parametrize(
    ("encoding", "name"), [("LATIN1", "naïve"), ("WIN1252", "5 €"), ("EUC_JP", "日本"), ("UTF8", "日本")]
)
def test_a_name_is_read_in_the_dumps_own_encoding(encoding: str, name: str) -> None:
    codec = {"LATIN1": "latin-1", "WIN1252": "cp1252", "EUC_JP": "euc_jp", "UTF8": "utf-8"}[encoding]
    comment = b"-- Name: " + name.encode(codec) + b"; Type: TABLE; Schema: public; Owner: -\n"
    (entry,) = read_entries(b"--\n" + comment + b"--\n", 1)
    assert reread_entry(entry, encoding).tag == name


def test_bytes_of_an_unknown_encoding_are_kept() -> None:
    text = b"caf\xe9".decode("utf-8", "surrogateescape")
    assert reread(text, "SQL_ASCII") == text
