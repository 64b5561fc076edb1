from __future__ import annotations

import pytest

from tasks.model.errors import PermanentError
from tasks.physical.control import parse_control

TEXT = """pg_control version number:            1300
Catalog version number:               202406281
Database system identifier:           7439000000000000001
Database cluster state:               in production
Latest checkpoint location:           0/2000080
Latest checkpoint's TimeLineID:       1
max_prepared_xacts setting:           20
Database block size:                  8192
Bytes per WAL segment:                16777216
Data page checksum version:           1
"""


def test_the_facts_are_read() -> None:
    control = parse_control(TEXT, (), 0)
    assert control.system_identifier == 7439000000000000001
    assert (control.state, control.timeline, control.checkpoint_lsn) == ("in production", 1, 0x2000080)
    assert (control.segment_bytes, control.block_bytes, control.checksum_version) == (16 << 20, 8192, 1)
    assert control.max_prepared_transactions == 20


@pytest.mark.parametrize(
    ("text", "stderr_lines", "exit_code"),
    [
        (TEXT, ("pg_controldata: warning: calculated CRC checksum does not match value stored",), 0),
        (f"WARNING: Calculated CRC checksum does not match value stored in file.\n{TEXT}", (), 0),
        (TEXT, (), 1),
        ("", (), 0),
        (TEXT.replace("16777216", "??"), (), 0),
        (TEXT.replace("0/2000080", "nowhere"), (), 0),
    ],
)
def test_a_torn_file_is_corrupt(text: str, stderr_lines: tuple[str, ...], exit_code: int) -> None:
    with pytest.raises(PermanentError) as failure:
        parse_control(text, stderr_lines, exit_code)
    assert failure.value.rule == "control-file-corrupt"
