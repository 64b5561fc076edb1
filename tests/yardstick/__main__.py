"""Hold a drill against the yardstick, by hand: `python -m tests.yardstick MAJOR DUMP...`.

Prints for each dump the errors that a superuser's own tool meets, the drill's verdict and findings, and what
the drill's database lacks or has otherwise. Exit code 1 where a dump that restores without an error is
failed, or one whose restored content differs is verified without that being listed.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.fix_postgres import running_source
from tests.yardstick.drilled import drill
from tests.yardstick.judging import disagreements
from tests.yardstick.truth import restore_as_person


def main(arguments: list[str]) -> int:
    """Print one paragraph for each dump."""
    major, dumps = int(arguments[0]), [Path(name) for name in arguments[1:]]
    wrong = 0
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        Path(folder).chmod(0o755)
        for dump in dumps:
            drilled = drill(dump, major)
            with running_source(Path(folder), major) as source:
                truth = restore_as_person(source, dump, "truth")
            complaints = disagreements(truth, drilled)
            wrong += bool(complaints)
            print(f"== {dump.name}\ntruth: {len(truth.errors)} errors {truth.errors[:5]}")
            print(drilled.described())
            print("\n".join(f"DISAGREES: {complaint}" for complaint in complaints) or "agrees", flush=True)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
