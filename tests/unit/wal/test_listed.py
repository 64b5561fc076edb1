"""An archive of WAL that may not be listed is none that is empty."""

from __future__ import annotations

import pytest

from tasks.model.deadline import Deadline
from tasks.model.errors import PermanentError
from tasks.stores import open_store
from tasks.wal.listed import ListedWal, listed_wal
from tests.fix_s3 import Bucket, Moto, iam_user, use_account

SIZE = 16 << 20
NAME = "000000010000000000000002"


def listed(bucket: Bucket) -> ListedWal:
    place = f"{bucket.uri}/wal/"
    return listed_wal(open_store(bucket.config, place), place, SIZE, Deadline.within(None))


def test_what_is_there_is_listed_by_name(moto_bucket: Bucket) -> None:
    moto_bucket.put(f"wal/{NAME}.gz")
    assert [*listed(moto_bucket).listing] == [NAME]


def test_a_role_that_may_not_list_it_is_denied_the_wal(
    moto_bucket: Bucket, moto: Moto, monkeypatch: pytest.MonkeyPatch
) -> None:
    moto_bucket.put(f"wal/{NAME}.gz")
    use_account(monkeypatch, *iam_user(moto))
    moto.enforce_iam()
    with pytest.raises(PermanentError) as refusal:
        listed(moto_bucket)
    assert refusal.value.rule == "wal-denied"
