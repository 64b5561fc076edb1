from __future__ import annotations

import pytest

from expectations.sensitive import is_sensitive


@pytest.mark.parametrize(
    "column",
    [
        "email",
        "customerEmail",
        "home_phone_2",
        "IBAN",
        "first_name",
        "LastName",
        "passwordHash",
        "card_no",
        "ssn",
    ],
)
def test_personal_names_are_known(column: str) -> None:
    assert is_sensitive("public.people", column)


@pytest.mark.parametrize("column", ["id", "status", "amount", "placed_at", "quantity", "discard", "currency"])
def test_ordinary_names_are_not(column: str) -> None:
    assert not is_sensitive("public.orders", column)


def test_patterns_and_comments_widen_it() -> None:
    assert is_sensitive("public.people", "nick", ["*.people.*"])
    assert not is_sensitive("public.people", "nick", ["*.orders.*"])
    assert is_sensitive("public.people", "nick", comment="PII: nickname")
    assert not is_sensitive("public.people", "nick", comment="shown in the shop")
