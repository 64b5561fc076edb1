"""Nothing gets out: secrets and row values are masked before text is kept anywhere."""

from __future__ import annotations

import re

_MASK = "***"
_PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = (
    # libpq and JDBC URLs, and any URL with a password in it
    (re.compile(r"(\b[a-z][a-z0-9+.-]*://[^\s:/@]*:)[^\s@]+@", re.IGNORECASE), rf"\1{_MASK}@"),
    # presigned URLs and SAS tokens: the whole query goes
    (
        re.compile(
            r"(https?://[^\s?\"']+)\?[^\s\"']*(?:X-Amz-|Signature=|AWSAccessKeyId=|sig=)[^\s\"']*",
            re.IGNORECASE,
        ),
        rf"\1?{_MASK}",
    ),
    # verifiers
    (re.compile(r"SCRAM-SHA-256\$[^\s'\";]+"), _MASK),
    (re.compile(r"\bmd5[0-9a-f]{32}\b"), _MASK),
    # key = value and key 'value'
    (
        re.compile(
            r"(?i)(\b(?:password|passwd|passphrase|secret|secret_access_key|aws_secret_access_key|session_token"
            r"|aws_session_token|token|access_key|private_key|sslpassword)\b\"?\s*(?:=>|[=:]|\s)\s*)"
            r"('(?:[^']|'')*'|\"[^\"]*\"|[^\s,;)&]+)"
        ),
        rf"\1{_MASK}",
    ),
    (re.compile(r"AGE-SECRET-KEY-[0-9A-Z]+"), _MASK),
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?-----END [A-Z ]*PRIVATE KEY-----", re.DOTALL), _MASK),
)
# PostgreSQL quotes values in these, and whole rows in DETAIL and CONTEXT.
_VALUE_LINES = re.compile(
    r"^((?:psql:[^\n]*?:\s*)?(?:pg_restore: )?(?:DETAIL|CONTEXT|STATEMENT|LINE \d+|QUERY):).*$",
    re.MULTILINE,
)
_COPY_CONTEXT = re.compile(r"COPY ([^\s,]+), line (\d+)(?:, column ([^\s:]+))?")
_FUNCTION_CONTEXT = re.compile(
    r"(?:PL/\w+|SQL) function (?:\"[^\"]*\"|[^\s(\"]|\\.)+(?:\([^)\"']*\))?"
    r"(?: line \d+| statement \d+| during \w+)?"
)
_QUOTED_VALUE = re.compile(
    r"(?P<lead>(?:value|syntax for type [^:]+|syntax for [^:]+|data|input|date/time field|number|range|near"
    r"|literal|byte sequence for encoding \"[^\"]+\")[^:\n\"]*: ?)(?P<value>.+)$",
    re.MULTILINE,
)


def redact(text: str) -> str:
    """Return *text* with every secret that we know the shape of masked."""
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return text


def mask_values(text: str) -> str:
    """Return PostgreSQL's error *text* without the values that it quotes: rows stay in the sandbox.

    What helps and holds no value (which COPY, which line, which column, which key) is kept.
    """

    def line(found: re.Match[str]) -> str:
        kept = _COPY_CONTEXT.search(found.group(0))
        if kept is None:
            function = _FUNCTION_CONTEXT.match(found.group(0), found.end(1) + 2)
            return f"{found.group(1)} {function.group(0) if function else _MASK}"
        column = f", column {kept.group(3)}" if kept.group(3) else ""
        return f"{found.group(1)} COPY {kept.group(1)}, line {kept.group(2)}{column}"

    text = _VALUE_LINES.sub(line, text)
    text = _QUOTED_VALUE.sub(lambda m: f"{m['lead']}{_MASK}", text)
    return redact(text)
