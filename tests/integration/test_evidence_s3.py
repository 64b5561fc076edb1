"""Evidence, history and report in a bucket instead of a folder."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import boto3
import pytest
from moto.server import ThreadedMotoServer

from tasks.evidence import build_evidence, load_history, publish, write_acceptance, write_evidence
from tasks.evidence.store import read_evidence
from tasks.model.errors import DrillError
from tasks.model.target import StoreConfig
from tasks.stores.blobs import list_blobs, read_blob
from tests.unit.evidence import samples

AT = "s3://drills/shop"


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer("127.0.0.1", _free_port())
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def store(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> StoreConfig:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    client = boto3.session.Session().client("s3", endpoint_url=endpoint, region_name="us-east-1")
    client.create_bucket(Bucket="drills")
    client.close()
    return StoreConfig(endpoint_url=endpoint, region="us-east-1")


def test_a_drill_is_recorded_remembered_accepted_and_shown_in_a_bucket(store: StoreConfig) -> None:
    target = samples.target(evidence=AT).model_copy(update={"store": store})
    assert load_history(target).records == ()
    facts = samples.verified()
    document = build_evidence(facts)
    uri = write_evidence(document, AT, store, suite_results=facts.suite_results)
    assert uri == f"{AT}/shop/orders/20261122T070000Z_d1f0a7c2.json"
    assert read_evidence(uri, store) == document
    write_acceptance(uri, store, rule="rows-dropped", where="a", why="b", who="c", now=samples.NOW)
    (record,) = load_history(target).verified
    assert (record.drill_id, len(record.accepted)) == ("d1f0a7c2", 1)

    assert publish(AT, store) is None
    shown = list_blobs(store, f"{AT}/report/")
    assert f"{AT}/report/shop/orders/20261122T070000Z_d1f0a7c2.html" in shown
    assert b"1.1 GiB restored in 41 s" in read_blob(store, f"{AT}/report/index.html")
    publish(AT, store)
    assert list_blobs(store, f"{AT}/report/") == shown
    assert len(load_history(target).records) == 1


def test_a_bucket_that_is_not_there_is_named_and_not_taken_for_an_empty_one(store: StoreConfig) -> None:
    target = samples.target(evidence="s3://nowhere/shop").model_copy(update={"store": store})
    with pytest.raises(DrillError) as read:
        load_history(target)
    with pytest.raises(DrillError) as written:
        write_evidence(build_evidence(samples.verified()), target.evidence, store)
    assert (read.value.rule, written.value.rule) == ("history-unreadable", "evidence-unwritable")


def _free_port() -> int:
    for port in range(21_300, 21_400):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return port
    raise RuntimeError("no free port")
