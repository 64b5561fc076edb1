"""PostgreSQL's names of encodings, and reading text that a dump holds in one of them.

A dump's names are in its client_encoding; they are compared with the catalogue's, which we read as Unicode.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tasks.model.backup import TocEntry

_CODECS = {
    "BIG5": "big5",
    "EUC_CN": "gb2312",
    "EUC_JIS_2004": "euc_jis_2004",
    "EUC_JP": "euc_jp",
    "EUC_KR": "euc_kr",
    "GB18030": "gb18030",
    "GBK": "gbk",
    "ISO_8859_5": "iso8859-5",
    "ISO_8859_6": "iso8859-6",
    "ISO_8859_7": "iso8859-7",
    "ISO_8859_8": "iso8859-8",
    "JOHAB": "johab",
    "KOI8R": "koi8-r",
    "KOI8U": "koi8-u",
    "LATIN1": "iso8859-1",
    "LATIN2": "iso8859-2",
    "LATIN3": "iso8859-3",
    "LATIN4": "iso8859-4",
    "LATIN5": "iso8859-9",
    "LATIN6": "iso8859-10",
    "LATIN7": "iso8859-13",
    "LATIN8": "iso8859-14",
    "LATIN9": "iso8859-15",
    "LATIN10": "iso8859-16",
    "SHIFT_JIS_2004": "shift_jis_2004",
    "SJIS": "shift_jis",
    "UHC": "cp949",
    "WIN866": "cp866",
    "WIN874": "cp874",
    **{f"WIN{page}": f"cp{page}" for page in range(1250, 1259)},
}


def has_codec(encoding: str) -> bool:
    """Say whether text in PostgreSQL's *encoding* reads otherwise than as UTF-8."""
    return encoding.upper() in _CODECS


def reread(text: str, encoding: str) -> str:
    """Return *text*, decoded as UTF-8 with surrogate escapes, as it reads in PostgreSQL's *encoding*."""
    codec = _CODECS.get(encoding.upper())
    if codec is None or text.isascii():
        return text
    return text.encode("utf-8", "surrogateescape").decode(codec, "replace")


def is_text(name: str) -> bool:
    """Say whether *name*, decoded with surrogate escapes, was text in its encoding; else none can send it."""
    return not any("\ud800" <= letter <= "\udfff" for letter in name)


def reread_entry(entry: TocEntry, encoding: str) -> TocEntry:
    """Return *entry* with its names and statements read in *encoding*."""
    texts = (entry.tag, entry.namespace, entry.owner, entry.defn, entry.copy_stmt, entry.tablespace)
    if all(text.isascii() for text in texts):
        return entry
    return replace(
        entry,
        tag=reread(entry.tag, encoding),
        namespace=reread(entry.namespace, encoding),
        owner=reread(entry.owner, encoding),
        defn=reread(entry.defn, encoding),
        copy_stmt=reread(entry.copy_stmt, encoding),
        tablespace=reread(entry.tablespace, encoding),
    )
