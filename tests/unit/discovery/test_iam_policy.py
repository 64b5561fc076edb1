from __future__ import annotations

from tasks.discovery.iam_policy import least_privilege_policy
from tasks.model.target import DumpBackup
from tests.unit.stores.fake import target


def test_policy_lists_and_reads_only_where_the_patterns_reach() -> None:
    drilled = target(globals="s3://acme-backups/prod/globals_%Y%m%d.sql")
    listing, reading, decrypting = least_privilege_policy([drilled])["Statement"]
    assert listing["Resource"] == "arn:aws:s3:::acme-backups"
    assert listing["Condition"]["StringLike"]["s3:prefix"] == [
        "",
        "prod/",
        "prod/globals_*",
        "prod/orders/",
        "prod/orders/*",
    ]
    assert reading["Action"] == ["s3:GetObject", "s3:GetObjectVersion"]
    assert reading["Resource"] == [
        "arn:aws:s3:::acme-backups/prod/globals_*",
        "arn:aws:s3:::acme-backups/prod/orders/*",
    ]
    assert decrypting["Action"] == ["kms:Decrypt"]


def test_policy_of_local_backups_is_empty() -> None:
    drilled = target().model_copy(update={"backup": DumpBackup(at="/mnt/backups/%Y.dump")})
    assert least_privilege_policy([drilled])["Statement"] == []


def test_nothing_may_be_written() -> None:
    text = str(least_privilege_policy([target()]))
    assert "Put" not in text
    assert "Delete" not in text
    assert "s3:*" not in text
