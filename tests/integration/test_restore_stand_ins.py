"""Text that this host compares otherwise than the source did is not judged, where text is compared."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fix_restore import Restore

MAJOR = 16
HERE, ELSEWHERE = "C", "xx_XX.UTF-8"
SCRIPT = """--
-- PostgreSQL database dump
--

-- Dumped from database version 16.4
-- Dumped by pg_dump version 16.4

SET client_encoding = 'UTF8';

CREATE DATABASE shop WITH TEMPLATE = template0 ENCODING = 'UTF8' LOCALE_PROVIDER = libc LOCALE = '{locale}';

\\connect shop

SET client_encoding = 'UTF8';

--
-- Name: early; Type: TABLE; Schema: public; Owner: app
--

CREATE TABLE public.early (
    name text,
    n integer,
    CONSTRAINT first_letters CHECK ((name < 'b'::text)),
    CONSTRAINT small CHECK ((n < 10))
);


--
-- Name: parts; Type: TABLE; Schema: public; Owner: app
--

CREATE TABLE public.parts (
    name text{collate} NOT NULL
)
PARTITION BY RANGE (name);


--
-- Name: part; Type: TABLE; Schema: public; Owner: app
--

CREATE TABLE public.part (
    name text{collate} NOT NULL
);


--
-- Name: part; Type: TABLE ATTACH; Schema: public; Owner: app
--

ALTER TABLE ONLY public.parts ATTACH PARTITION public.part FOR VALUES FROM ('A') TO ('z');


--
-- Name: numbers; Type: TABLE; Schema: public; Owner: app
--

CREATE TABLE public.numbers (
    n integer,
    note text,
    CONSTRAINT small CHECK ((n < 10))
);


--
-- Data for Name: early; Type: TABLE DATA; Schema: public; Owner: app
--

COPY public.early (name, n) FROM stdin;
a	1
{early}	2
\\.


--
-- Data for Name: part; Type: TABLE DATA; Schema: public; Owner: app
--

COPY public.part (name) FROM stdin;
m
{part}
\\.


--
-- Data for Name: numbers; Type: TABLE DATA; Schema: public; Owner: app
--

COPY public.numbers (n, note) FROM stdin;
{number}	x
\\.


--
-- PostgreSQL database dump complete
--
"""


def script(folder: Path, locale: str, **values: str) -> Path:
    path = folder / "shop.sql"
    words = {"early": "aa", "part": "n", "number": "7", "collate": "", **values}
    path.write_text(SCRIPT.format(locale=locale, **words), encoding="utf-8")
    return path


OTHERWISE = [{"early": "\u00e4"}, {"part": "\u00f6"}, {"part": "\u00f6", "early": "\u00e4"}]
"""Rows that German takes, and C refuses."""


@pytest.mark.parametrize("values", OTHERWISE)
def test_text_that_a_stand_in_refuses_is_not_judged(
    restore_dump: Restore, tmp_path: Path, values: dict[str, str]
) -> None:
    outcome = restore_dump(MAJOR, script(tmp_path, ELSEWHERE, **values))
    assert outcome.failures == {"host-feature-missing"}
    assert "locale-differs" in outcome.rules
    assert f"public.{'early' if 'early' in values else 'part'}" in outcome.message("host-feature-missing")


@pytest.mark.parametrize(
    ("locale", "values"),
    [
        (HERE, {"early": "\u00e4"}),
        (HERE, {"part": "\u00f6"}),
        (ELSEWHERE, {"number": "70"}),
        (ELSEWHERE, {"part": "\u00f6", "collate": ' COLLATE pg_catalog."C"'}),
    ],
)
def test_what_no_stand_in_explains_is_lost(
    restore_dump: Restore, tmp_path: Path, locale: str, values: dict[str, str]
) -> None:
    assert restore_dump(MAJOR, script(tmp_path, locale, **values)).failures == {"rows-not-restored"}


def test_rows_that_both_take_are_whole(restore_dump: Restore, tmp_path: Path) -> None:
    assert restore_dump(MAJOR, script(tmp_path, ELSEWHERE)).failures == set()
