"""Reading roles out of `pg_dumpall --globals-only` and out of scripts: names, groups, superusers, no more.

Passwords are never looked at: a statement is read word by word up to what is wanted, and its text is not
kept.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from tasks.catalog.opening import open_backup, open_script
from tasks.engines.roles import Role
from tasks.engines.sql.classifier import encoding_set
from tasks.engines.sql.splitter import Kind, scan
from tasks.engines.sql.tokens import is_name, name_of, names_listed, tokens
from tasks.model.backup import Format, LocalBackup
from tasks.model.encodings import reread
from tasks.model.errors import PermanentError
from tasks.model.target import Decrypt
from tasks.model.units import format_bytes

_LONGEST_STATEMENT_BYTES = 16 << 20  # one about a role has a line
_ROLE_WORDS = frozenset({"ROLE", "USER", "GROUP"})


class RoleReader:
    """Collects roles from statements; feed it every statement that may speak of one."""

    def __init__(self) -> None:
        self._roles: dict[str, Role] = {}
        self._groups: dict[str, tuple[str, ...]] = {}

    @property
    def roles(self) -> tuple[Role, ...]:
        """The roles created so far, with the groups that they were put in."""
        return tuple(
            replace(role, groups=(*role.groups, *self._groups.get(role.name, ())))
            for role in self._roles.values()
        )

    def feed(self, statement: str) -> bool:
        """Read one statement; False where it does not speak of roles."""
        parts = [part for part in tokens(statement) if part != ";"]
        upper = [token.upper() for token in parts]
        if upper[:1] == ["CREATE"] and upper[1:2] and upper[1] in _ROLE_WORDS:
            self._create(parts, upper)
        elif upper[:1] == ["ALTER"] and upper[1:2] and upper[1] in _ROLE_WORDS:
            self._alter(parts, upper)
        elif upper[:1] == ["GRANT"] and "ON" not in upper and "TO" in upper:
            self._grant(parts, upper)
        else:
            return upper[:2] in (["DROP", word] for word in _ROLE_WORDS) or upper[:3] == [
                "COMMENT",
                "ON",
                "ROLE",
            ]
        return True

    def _create(self, parts: list[str], upper: list[str]) -> None:
        if len(parts) > 2 and is_name(parts[2]):  # noqa: PLR2004  CREATE ROLE name
            name = name_of(parts[2])
            groups: tuple[str, ...] = ()
            for index, word in enumerate(upper[3:], 3):
                if word == "IN" and upper[index + 1 : index + 2] and upper[index + 1] in _ROLE_WORDS:
                    groups = names_listed(parts, index + 2)[0]
            is_superuser = "SUPERUSER" in upper[3:]
            self._roles.setdefault(name, Role(name, "NOINHERIT" not in upper[3:], groups, is_superuser))

    def _alter(self, parts: list[str], upper: list[str]) -> None:
        name = name_of(parts[2]) if len(parts) > 2 else ""  # noqa: PLR2004
        role = self._roles.get(name)
        if role is not None and "NOINHERIT" in upper[3:]:
            role = self._roles[name] = replace(role, inherits=False)
        if role is not None and "SUPERUSER" in upper[3:]:
            self._roles[name] = replace(role, is_superuser=True)

    def _grant(self, parts: list[str], upper: list[str]) -> None:
        groups, _ = names_listed(parts, 1)
        members, _ = names_listed(parts, upper.index("TO") + 1)
        for member in members:
            self._groups[member] = (*self._groups.get(member, ()), *groups)


def read_roles(chunks: Iterable[bytes]) -> tuple[Role, ...]:
    """Return the roles that a script creates.

    Raises:
        PermanentError: `statement-too-long`.
    """
    reader, encoding = RoleReader(), ""
    for piece in scan(chunks, _LONGEST_STATEMENT_BYTES):
        if piece.kind is Kind.TOO_LONG:
            size = format_bytes(_LONGEST_STATEMENT_BYTES)
            raise PermanentError(f"it holds a statement longer than {size}", rule="statement-too-long")
        if piece.kind is Kind.STATEMENT:
            encoding = encoding_set(piece.data) or encoding
            reader.feed(reread(piece.data.decode("utf-8", "surrogateescape"), encoding))
    return reader.roles


def read_globals(path: Path, decrypt: Decrypt | None, workdir: Path) -> tuple[tuple[Role, ...], LocalBackup]:
    """Return the roles of a globals file, however it is wrapped, and the file.

    Raises:
        PermanentError: `globals-missing`: the file cannot be read or brings no role; `decryption-*`.
    """
    try:
        backup = open_backup(
            path, name=path.name, sha256="", bytes=path.stat().st_size, integrity="none", fetch_s=0.0,
            decrypt=decrypt, workdir=workdir,
        )  # fmt: skip
        roles = (
            read_roles(open_script(backup)) if backup.head.format in (Format.PLAIN, Format.CLUSTER) else ()
        )
    except PermanentError as error:
        if error.rule.startswith("decryption"):
            raise
        raise _unreadable(path, error.what) from error
    except OSError as error:
        raise _unreadable(path, error.strerror or "it cannot be read") from error
    if not roles:
        raise _unreadable(path, "it creates no role")
    return roles, backup


def _unreadable(path: Path, why: str) -> PermanentError:
    return PermanentError(
        f"The globals file brings no roles: {why}. After a recovery nobody could log in.", path.name,
        rule="globals-missing",
    )  # fmt: skip
