"""What was switched off in a copy, in one sentence."""

from __future__ import annotations

import pytest

from tasks.physical.look import settings_finding


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (("postgresql.conf: ssl",), "1 setting of the copy was switched off before it started: "),
        (("standby.signal", "subscription feed"), "2 settings of the copy were switched off before"),
    ],
)
def test_what_was_switched_off_is_counted_and_named(names: tuple[str, ...], said: str) -> None:
    (told,) = settings_finding(names)
    assert told.message.startswith(said)
    assert all(name in told.message for name in names)


def test_nothing_switched_off_is_nothing_to_say() -> None:
    assert settings_finding(()) == ()
