"""Measure what a drill costs, as ratios within one run: machines are shared and noisy.

    python -m bench [--mib 1024] [--rounds 3] [--only whole,tiny,shell,discovery,validate,selftest,scripts]
                    [--only physical --physical-mib 256]

Prints one line per figure: the median of each side, the ratio, the goal.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from bench import discovery, physical, scripts, selftest, shell, tiny, validate, whole

PARTS: dict[str, Callable[[Path, argparse.Namespace], None]] = {
    "whole": whole.measure,
    "tiny": tiny.measure,
    "shell": shell.measure,
    "discovery": discovery.measure,
    "validate": validate.measure,
    "selftest": selftest.measure,
    "scripts": scripts.measure,
    "physical": physical.measure,
}


def main() -> int:
    """Run the wanted parts."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--mib", type=int, default=1024, help="size of the large database, MiB")
    parser.add_argument("--physical-mib", type=int, default=256, help="size of the copied cluster, MiB")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of each side, in turn")
    parser.add_argument("--only", default=",".join(PARTS), help="parts, separated by commas")
    options = parser.parse_args()
    wanted = options.only.split(",")
    if unknown := set(wanted) - set(PARTS):
        parser.error(f"unknown part {', '.join(sorted(unknown))}; known: {', '.join(PARTS)}")
    # Traversable for the sandbox's own user, unlike a private temporary folder.
    with tempfile.TemporaryDirectory(prefix="restore-drill-bench-", dir="/var/tmp") as folder:
        Path(folder).chmod(0o755)
        for name in wanted:
            print(f"== {name}", flush=True)
            PARTS[name](Path(folder), options)
    return 0


if __name__ == "__main__":
    sys.exit(main())
