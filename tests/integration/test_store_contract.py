"""The contract of stores, held by buckets of a real S3 server and of AWS's mock."""

from __future__ import annotations

import pytest

from tasks.stores import open_store
from tasks.stores.uris import s3_location
from tests.fix_s3 import Bucket
from tests.unit.stores.contract import ODD_KEYS, Shelf, StoreContract, by_folders


def shelf_in(bucket: Bucket) -> Shelf:
    def remove(uri: str) -> None:
        bucket.client.delete_object(Bucket=bucket.name, Key=s3_location(uri).key)

    return Shelf(open_store(bucket.config, bucket.uri), f"{bucket.uri}/", bucket.put, remove)


class TestSeaweed(StoreContract):
    order = staticmethod(by_folders)
    starts = ("b/1", "b/15", "b/3", "c/0")  # it passes over a folder after whose name it is told to start
    way_up = "store-unreachable"  # it refuses the request
    odd_keys = tuple(key for key in ODD_KEYS if "\\" not in key)  # it takes a backslash for a slash

    @pytest.fixture
    def shelf(self, weed_bucket: Bucket) -> Shelf:
        return shelf_in(weed_bucket)


class TestMoto(StoreContract):
    odd_keys = tuple(key for key in ODD_KEYS if "\n" not in key)  # it takes no key with a line's end

    @pytest.fixture
    def shelf(self, moto_bucket: Bucket) -> Shelf:
        return shelf_in(moto_bucket)

    def test_who_reads_has_an_arn(self, shelf: Shelf) -> None:
        assert (shelf.store.identity() or "").startswith("arn:aws:")
