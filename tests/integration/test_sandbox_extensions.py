"""What `available_extensions` promises, the server keeps."""

from __future__ import annotations

import uuid
from collections.abc import Callable

import pytest

from tasks.model.sandbox import Sandbox
from tasks.sandbox import available_extensions, connect
from tasks.sandbox.extensions import UUID_OSSP


@pytest.mark.parametrize("major", [14, 17, 18])
def test_every_extension_that_is_said_to_be_available_can_be_created(
    sandbox: Callable[..., Sandbox], major: int
) -> None:
    box = sandbox(major)
    refused = {}
    with connect(box) as session:
        for name in sorted(available_extensions(box.postgres)):
            try:
                session.execute(f'CREATE EXTENSION IF NOT EXISTS "{name}" SCHEMA public CASCADE')
            except Exception as error:  # noqa: BLE001  all of them are wanted
                refused[name] = str(error)
    assert refused == {}


@pytest.mark.parametrize("major", [14, 15, 18])
def test_uuid_ossp_gives_what_it_always_gives(sandbox: Callable[..., Sandbox], major: int) -> None:
    with connect(sandbox(major)) as session:
        session.execute(f'CREATE EXTENSION "{UUID_OSSP}" SCHEMA public')
        for name in ("", "example.org", "ä" * 30, "x" * 55, "x" * 56, "x" * 200):
            row = session.execute(
                "SELECT public.uuid_generate_v3(public.uuid_ns_dns(), %(n)s), "
                "public.uuid_generate_v5(public.uuid_ns_dns(), %(n)s)",
                {"n": name},
            ).fetchone()
            assert row == (uuid.uuid3(uuid.NAMESPACE_DNS, name), uuid.uuid5(uuid.NAMESPACE_DNS, name))
        for version in (1, 4):
            rows = session.execute(
                f"SELECT public.uuid_generate_v{version}() FROM generate_series(1, 50)"
            ).fetchall()
            assert {row[0].version for row in rows} == {version}
            assert {row[0].variant for row in rows} == {uuid.RFC_4122}
            assert len(set(rows)) == 50
        made = session.execute("SELECT public.uuid_generate_v1mc(), now()").fetchone()
        assert made is not None
        assert abs((made[0].time - 0x01B21DD213814000) / 1e7 - made[1].timestamp()) < 60
