"""`restore-drill postgres list`: which majors are here and where they come from."""

from __future__ import annotations

import json

from deployments.terminal import echo
from tasks.sandbox import list_postgres


def show_installs(*, as_json: bool) -> None:
    """Print the PostgreSQL builds that drills can use on this worker, and the majors that can be fetched."""
    installs = list_postgres()
    for install in installs:
        facts = {
            "major": install.major,
            "version": install.version,
            "source": install.source,
            "bindir": str(install.bindir),
        }
        echo(
            json.dumps(facts)
            if as_json
            else f"{install.major:>3}  {install.version:<8} {install.source:<10} {install.bindir}"
        )
    if not installs and not as_json:
        echo("no PostgreSQL here yet; `restore-drill postgres install 17` fetches one")
