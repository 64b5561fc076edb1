"""TLS before a store: a front with a certificate of its own authority, which can refuse what it is told to.

Whoever connects must take `localhost` for the store's name. Requests are passed on as they are, so that the
store behind it checks their signatures itself.
"""

from __future__ import annotations

import contextlib
import re
import socket
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tasks.model.clock import utc_now

NAME = "localhost"
_CHUNK = 64 << 10
_PATIENCE_S = 30
_REFUSAL = b"<?xml version='1.0'?><Error><Code>AccessDenied</Code><Message>no</Message></Error>"


@dataclass
class TlsFront:
    """The front of one store.

    Attributes:
        ca_file: of the authority that its certificate is from.
        refused: requests whose first line it finds are answered with 403.
    """

    ca_file: Path
    upstream: tuple[str, int]
    port: int = 0
    refused: re.Pattern[str] | None = None

    @property
    def endpoint(self) -> str:
        return f"https://{NAME}:{self.port}"

    def serve(self, listener: socket.socket, context: ssl.SSLContext) -> None:
        """Answer whoever connects, until *listener* is closed."""
        while True:
            try:
                plain, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(plain, context), daemon=True).start()

    def _answer(self, plain: socket.socket, context: ssl.SSLContext) -> None:
        """Answer one request; the connection is for it alone."""
        with contextlib.suppress(OSError), plain, context.wrap_socket(plain, server_side=True) as client:
            client.settimeout(_PATIENCE_S)
            head = _head(client)
            if self.refused is not None and self.refused.search(head.split(b"\r\n", 1)[0].decode()):
                client.sendall(_response(b"403 Forbidden", _REFUSAL))
            elif head:
                self._pass_on(client, head)

    def _pass_on(self, client: ssl.SSLSocket, head: bytes) -> None:
        lines, _, body = head.partition(b"\r\n\r\n")
        with socket.create_connection(self.upstream, _PATIENCE_S) as store:
            store.sendall(re.sub(rb"(?im)^connection:[^\r\n]*\r\n", b"", lines + b"\r\n"))
            store.sendall(b"Connection: close\r\n\r\n" + body)
            left = _length(lines) - len(body)
            while left > 0 and (piece := client.recv(_CHUNK)):
                store.sendall(piece)
                left -= len(piece)
            while piece := store.recv(_CHUNK):
                client.sendall(piece)


@pytest.fixture(scope="session")
def tls_front(weed_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TlsFront]:
    """TLS before the real store."""
    folder = tmp_path_factory.mktemp("tls")
    chain, ca_file = _certificate(folder)
    parts = urlsplit(weed_server)
    front = TlsFront(ca_file, (parts.hostname or "", parts.port or 0))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        front.port = listener.getsockname()[1]
        thread = threading.Thread(target=front.serve, args=(listener, context), daemon=True)
        thread.start()
        yield front
        listener.shutdown(socket.SHUT_RDWR)
    thread.join(5)


def _head(client: ssl.SSLSocket) -> bytes:
    """Return what arrives up to the end of a request's head, and what of its body came along."""
    received = b""
    while b"\r\n\r\n" not in received:
        piece = client.recv(_CHUNK)
        if not piece:
            return b""
        received += piece
    return received


def _length(lines: bytes) -> int:
    match = re.search(rb"(?im)^content-length: *(\d+)", lines)
    return int(match[1]) if match else 0


def _response(status: bytes, body: bytes) -> bytes:
    return b"HTTP/1.1 %s\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s" % (status, len(body), body)


def _certificate(folder: Path) -> tuple[Path, Path]:
    """Make an authority and a certificate of `localhost`; return its chain and key, and the authority."""
    authority, name = ec.generate_private_key(ec.SECP256R1()), _name("An authority of tests")
    key = ec.generate_private_key(ec.SECP256R1())
    root = _builder(name, name, authority).add_extension(
        x509.BasicConstraints(ca=True, path_length=0), critical=True
    )
    names = x509.SubjectAlternativeName([x509.DNSName(NAME)])
    leaf = _builder(_name(NAME), name, key).add_extension(names, critical=False)
    pem = serialization.Encoding.PEM
    ca_file, chain = folder / "ca.pem", folder / "chain.pem"
    ca_file.write_bytes(root.sign(authority, hashes.SHA256()).public_bytes(pem))
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    chain.write_bytes(secret + leaf.sign(authority, hashes.SHA256()).public_bytes(pem))
    return chain, ca_file


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey
) -> x509.CertificateBuilder:
    now = utc_now()
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])
