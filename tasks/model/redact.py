"""Nothing gets out: secrets are masked before text is kept anywhere.

Whoever wrote the backup, or answers for the store, decides how long a text is and what it holds. So texts are
cut before anything looks at them, and every step below reads each letter a bounded number of times.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

LONGEST = 1 << 16
"""Characters of a text that are looked at; what comes behind them is dropped."""
_MASK = "***"
_CUT = " [cut]"
_VERIFIER = re.compile(r"SCRAM-SHA-256\$[^\s'\";]+|\bmd5[0-9a-f]{32}\b|AGE-SECRET-KEY-[0-9A-Z]+")
_WORD_WITH_URL = re.compile(r"[^\s'\"]+")
_SIGNED = ("x-amz-", "signature=", "awsaccesskeyid=", "sig=", "token=")
_KEY_BEGIN = re.compile(r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----")
_KEY_END = "-----END "
_SECRET = re.compile(
    r"(?:password|passwd|passphrase|secret_access_key|secret|session_token|token|access_key|private_key"
    r"|sslpassword|pgpassword|pwd)(?![\w])",
    re.IGNORECASE,
)
_SIGN = re.compile(r"\"?[ \t]{0,20}(?:=>|=|:)[ \t]{0,20}")
_BLANK = re.compile(r"[ \t\r\n]{1,20}(?=['\"])")
_BARE = re.compile(r"[^\s,;)&'\"]+")
_OPTION = re.compile(r"[ \t]{1,20}(?=[^\s-])")


def redact(text: str) -> str:
    """Return *text* with every secret that we know the shape of masked."""
    if len(text) > LONGEST:
        text = text[:LONGEST] + _CUT
    if "://" in text:
        text = _WORD_WITH_URL.sub(lambda word: _url(word.group()), text)
    text = _VERIFIER.sub(_MASK, text)
    if "PRIVATE KEY" in text:
        text = "".join(_without_keys(text))
    return "".join(_without_secrets(text))


def _url(word: str) -> str:
    """Return a word without the password of a URL in it, and without the query of a signed one."""
    scheme, mark, rest = word.partition("://")
    if not mark:
        return word
    account, at, place = rest.rpartition("@")
    user, colon, _ = account.partition(":")
    if at and colon:
        rest = f"{user}:{_MASK}@{place}"
    path, question, query = rest.partition("?")
    if question and any(sign in query.lower() for sign in _SIGNED):
        rest = f"{path}?{_MASK}"
    return f"{scheme}://{rest}"


def _without_keys(text: str) -> Iterator[str]:
    """Yield *text* without private keys; one that does not end takes what follows with it."""
    start = 0
    while (begin := _KEY_BEGIN.search(text, start)) is not None:
        yield text[start : begin.start()] + _MASK
        end = text.find(_KEY_END, begin.end())
        closing = text.find("-----", end + len(_KEY_END)) if end >= 0 else -1
        if closing < 0:
            return
        start = closing + len("-----")
    yield text[start:]


def _without_secrets(text: str) -> Iterator[str]:
    """Yield *text* with what stands behind a secret's name masked: `password=x`, `"token": "x"`."""
    start = 0
    while (name := _SECRET.search(text, start)) is not None:
        value = _value_of(text, name)
        if value is None:
            yield text[start : name.end()]
            start = name.end()
        else:
            yield text[start : value[0]] + _MASK
            start = value[1]
    yield text[start:]


def _value_of(text: str, name: re.Match[str]) -> tuple[int, int] | None:
    """Return where the value behind a secret's name begins and ends; None where the name is but a word."""
    sign = _SIGN.match(text, name.end()) or _BLANK.match(text, name.end())
    if sign is None and text[max(0, name.start() - 1) : name.start()] == "-":  # an option, `--passphrase x`
        sign = _OPTION.match(text, name.end())
    if sign is None:
        return None
    begin = sign.end()
    quote = text[begin : begin + 1]
    if quote in ("'", '"') and quote:
        return begin, _closing(text, quote, begin + 1)
    bare = _BARE.match(text, begin)
    return None if bare is None else (begin, bare.end())


def _closing(text: str, quote: str, start: int) -> int:
    """Return where a quoted value ends, doubled quotes taken as part of it; the text's end if it does not."""
    while (end := text.find(quote, start)) >= 0:
        if text[end + 1 : end + 2] != quote:
            return end + 1
        start = end + 2
    return len(text)
