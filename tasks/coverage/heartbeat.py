"""An outside dead-man's switch: told that the look-out itself is alive, and how it came out.

Its address is a secret: it comes by an environment variable and is never printed.
"""

from __future__ import annotations

import os
from urllib.parse import urlsplit

import httpx

TIMEOUT_S = 10.0
_FAIL = "/fail"


class HeartbeatError(Exception):
    """Nobody was told; the message says why, without the address."""


def beat(variable: str, *, good: bool) -> None:
    """Ask for the address in the environment's *variable*, with `/fail` behind it unless all is *good*.

    Raises:
        HeartbeatError: the variable holds no address, or nobody answered it with success.
    """
    address = os.environ.get(variable, "")
    parts = urlsplit(address)
    if parts.scheme not in {"http", "https"} or not parts.netloc:
        raise HeartbeatError(f"{variable} holds no http or https address")
    path = parts.path.rstrip("/") + ("" if good else _FAIL)
    try:
        answer = httpx.get(parts._replace(path=path).geturl(), timeout=TIMEOUT_S, follow_redirects=False)
    except httpx.HTTPError as error:
        raise HeartbeatError(f"the address in {variable} did not answer: {type(error).__name__}") from None
    if not answer.is_success:
        raise HeartbeatError(f"the address in {variable} answered {answer.status_code}")
