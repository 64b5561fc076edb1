"""`restore-drill metrics`: the fleets' standings for Prometheus, from evidence, as a file or on loopback."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest, start_http_server, write_to_textfile

from tasks.config import read_fleet
from tasks.coverage.metrics import DrillCollector
from tasks.coverage.outlook import Outlook, look_at
from tasks.model.clock import utc_now
from tasks.model.errors import ConfigInvalid

FILE = "restore_drill.prom"
_LARGEST_PORT = 65535


class Fleets:
    """The fleet files, read anew whenever somebody asks how they stand."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = paths

    def __iter__(self) -> Iterator[Outlook]:
        """Yield how each fleet stands now."""
        now = utc_now()
        return (look_at(read_fleet(str(path)), now) for path in self._paths)


def show_metrics(fleets: Sequence[Path], textfile: Path | None, listen: str) -> int:
    """Print the metrics, write them into the folder *textfile*, or serve them until interrupted.

    Args:
        fleets: fleet files.
        textfile: the folder that a node exporter reads; the file in it is replaced whole.
        listen: `HOST:PORT`; empty: they are not served.

    Raises:
        ConfigInvalid: a fleet file or the address cannot be used, or the folder is not there.
    """
    registry = CollectorRegistry(auto_describe=False)
    registry.register(DrillCollector(Fleets(fleets)))
    if listen:
        serve(registry, *address_of(listen))
    elif textfile is None:
        sys.stdout.write(generate_latest(registry).decode())
    elif textfile.is_dir():
        write_to_textfile(str(textfile / FILE), registry)
    else:
        raise ConfigInvalid("--textfile names no folder", str(textfile), "Name the node exporter's folder.")
    return 0


def serve(registry: CollectorRegistry, host: str, port: int) -> None:
    """Serve the metrics until somebody interrupts; each scrape reads the evidence anew.

    Raises:
        ConfigInvalid: nothing can listen there.
    """
    try:
        server, thread = start_http_server(port, host, registry)
    except OSError as error:
        raise ConfigInvalid(f"--listen {host}:{port}: {error.strerror}") from error
    try:
        thread.join()
    finally:
        server.shutdown()


def address_of(text: str) -> tuple[str, int]:
    """Return host and port of `HOST:PORT`.

    Raises:
        ConfigInvalid: it is no such address.
    """
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) <= _LARGEST_PORT:
        raise ConfigInvalid(f"--listen {text} is no address", hint="Write 127.0.0.1:9187.")
    return host, int(port)
