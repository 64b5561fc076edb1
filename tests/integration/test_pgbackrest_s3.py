"""A pgBackRest repository in a bucket, behind TLS: read by the tool and by us, and refused in part."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest

from deployments.local_s3 import REGION, client_of
from tasks.model.target import StoreConfig
from tests.corpus.pgbackrest_repos import MARKS, STANZA, Stanza
from tests.fix_pgbackrest import StanzaDrill
from tests.fix_s3 import OWNER
from tests.fix_tls import TlsFront
from tests.real_tools import ESSENTIAL

pytestmark = [*ESSENTIAL, pytest.mark.usefixtures("aws_env")]
MAJOR = 17
BUCKET = "pgbackrest-repo"
AT = f"s3://{BUCKET}/prod"


@pytest.fixture(scope="session")  # a module may be entered twice by one worker
def stored(stanza: Callable[[int], Stanza], weed_server: str) -> Stanza:
    """The repository, its files in a bucket too."""
    repository = stanza(MAJOR)
    client = client_of(weed_server, *OWNER)
    client.create_bucket(Bucket=BUCKET)
    for path in repository.folder.rglob("*"):
        if path.is_file() and not path.is_symlink():
            key = f"prod/{path.relative_to(repository.folder)}"
            client.put_object(Bucket=BUCKET, Key=key, Body=path.read_bytes())
    return repository


@pytest.fixture
def front(tls_front: TlsFront) -> Iterator[TlsFront]:
    yield tls_front
    tls_front.refused = None


def place(front: TlsFront) -> StoreConfig:
    return StoreConfig(endpoint_url=front.endpoint, region=REGION)


def test_a_bucket_behind_tls_is_verified(stanza_drill: StanzaDrill, stored: Stanza, front: TlsFront) -> None:
    stanza_drill(stored, store=place(front), at=AT, tls={"ca_file": front.ca_file})
    assert (stanza_drill.foreseen, stanza_drill.marks) == ((), MARKS)


def test_an_authority_that_nobody_named(stanza_drill: StanzaDrill, stored: Stanza, front: TlsFront) -> None:
    assert stanza_drill.rules(stored, store=place(front), at=AT) == ["store-unreachable"]


def test_a_certificate_that_need_not_be_valid(
    stanza_drill: StanzaDrill, stored: Stanza, front: TlsFront
) -> None:
    front.refused = re.compile(r"20\d{6}-\d{6}F")  # no backup is restored: the catalogue alone is read
    assert stanza_drill.rules(stored, store=place(front), at=AT, tls={"verify": False}) == ["get-denied"]


def test_segments_may_not_be_read(stanza_drill: StanzaDrill, stored: Stanza, front: TlsFront) -> None:
    front.refused = re.compile(rf"GET /{BUCKET}/prod/archive/{STANZA}/17-1/")
    rules = stanza_drill.rules(stored, store=place(front), at=AT, tls={"ca_file": front.ca_file})
    assert rules == ["wal-denied"]


def test_the_whole_archive_may_not_be_read(
    stanza_drill: StanzaDrill, stored: Stanza, front: TlsFront
) -> None:
    front.refused = re.compile(rf"GET /{BUCKET}/prod/archive/")
    rules = stanza_drill.rules(stored, store=place(front), at=AT, tls={"ca_file": front.ca_file})
    assert rules == ["wal-denied"]


def test_a_store_without_tls(stanza_drill: StanzaDrill, stored: Stanza, weed_server: str) -> None:
    store = StoreConfig(endpoint_url=weed_server, region=REGION)
    assert stanza_drill.rules(stored, store=store, at=AT) == ["tool-too-old"]
