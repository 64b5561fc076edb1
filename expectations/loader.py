"""Reading a suite: strict, with file, line, path and remedy for everything that is wrong.

Decision: all problems of a file are reported at once, and the check needs no Great Expectations (its import
costs seconds); `deep=True` asks GX's own models as well.
"""

from __future__ import annotations

import fnmatch
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from expectations import vocabulary
from expectations.kwargs import Kwargs
from expectations.native import modern
from expectations.problems import Problems, of_note, of_trouble
from expectations.sensitive import is_sensitive
from expectations.suite import Expectation, Gate, Problem, Severity, Suite, SuiteInvalid
from expectations.yaml_text import (
    KeyPath,
    Unreadable,
    as_mapping,
    decode,
    read_bytes,
    read_json,
    read_yaml,
    render,
)

_SUITE_KEYS = ("suite", "gate", "tables", "description", "owner", "sensitive", "declined")
_EXPECTATION_KEYS = ("type", "kwargs", "severity", "meta", "description")
_GX_EXPECTATION_KEYS = (*_EXPECTATION_KEYS, "id", "notes", "rendered_content")
_E = TypeVar("_E", Gate, Severity)


def load_suite(path: Path, *, deep: bool = False) -> Suite:
    """Read a suite in YAML, or a native GX suite in JSON.

    A native suite names its table in an expectation's `meta.table`, else in the suite's `meta.table`, else
    in its own name; its gate, owner and sensitive columns stand in the suite's `meta`.

    Args:
        path: `.json` is read as GX's own, everything else as YAML.
        deep: also build every expectation with GX's own models; imports GX.

    Raises:
        SuiteInvalid: with every problem found.
    """
    try:
        content = read_bytes(path)
        text = decode(content)
    except FileNotFoundError as error:
        raise _unusable(path, "no such suite", f"write it, or name another: {_neighbours(path)}") from error
    except OSError as error:
        raise _unusable(path, f"cannot be read: {type(error).__name__}", "give a UTF-8 text file") from error
    except Unreadable as error:
        what, _, remedy = str(error).partition("; ")
        raise _unusable(path, f"cannot be read: {what}", remedy or "give a UTF-8 text file") from error
    suite = parse_suite(text, path)
    if deep:
        from expectations.runner import deep_problems  # noqa: PLC0415  imports GX when used

        problems = deep_problems(suite)
        if problems:
            raise SuiteInvalid(problems)
    return replace(suite, path=path, sha256=hashlib.sha256(content).hexdigest())


def parse_suite(text: str, path: Path) -> Suite:
    """Read a suite from *text*; *path* names it in errors, and `.json` says that it is GX's own.

    Raises:
        SuiteInvalid: with every problem found.
    """
    native = path.suffix.lower() == ".json"
    try:
        document = read_json(text) if native else read_yaml(text)
    except Unreadable as error:
        raise SuiteInvalid(tuple(of_trouble(trouble, str(path)) for trouble in error.troubles)) from error
    reader = _Reader(Problems(str(path), document))
    suite = reader.native(path.stem) if native else reader.yaml(path.stem)
    if reader.problems.listed or suite is None:
        raise SuiteInvalid(tuple(reader.problems.listed))
    return replace(suite, notes=tuple(of_note(note, str(path)) for note in document.notes))


@dataclass(slots=True)
class _Reader:
    """One reading of one file: what was found, and every problem on the way."""

    problems: Problems
    seen: dict[tuple[str, str, str], int | None] = field(default_factory=dict)
    sensitive: tuple[str, ...] = ()
    parameters: Mapping[str, object] = field(default_factory=dict)

    def yaml(self, stem: str) -> Suite | None:
        top = as_mapping(self.problems.document.data)
        if top is None:
            self.problems.add("the file holds no suite", "write suite, gate and tables", ())
            return None
        self._unknown(top, _SUITE_KEYS, ())
        self.sensitive = self._strings(top.get("sensitive"), ("sensitive",))
        self._strings(top.get("declined"), ("declined",))
        gate = self._enum(Gate, top.get("gate"), Gate.FAIL, ("gate",))
        tables = as_mapping(top.get("tables"))
        if tables is None:
            self.problems.add("no tables", "list expectations below tables: and a table's name", ("tables",))
            return None
        expectations = [expectation for table in tables for expectation in self._table(table, tables[table])]
        return self._suite(
            name=self._text(top.get("suite"), ("suite",)) or stem,
            gate=gate,
            expectations=expectations,
            description=self._text(top.get("description"), ("description",)),
            owner=self._text(top.get("owner"), ("owner",)),
        )

    def native(self, stem: str) -> Suite | None:
        top = as_mapping(self.problems.document.data)
        if top is None or not isinstance(top.get("expectations"), list):
            self.problems.add("not a GX suite", "write an object with name and expectations", ())
            return None
        top = modern(top, self.problems)
        parameters = as_mapping(top.get("suite_parameters") or {})
        if parameters is None:
            self.problems.add(
                "suite_parameters is no mapping", "write names and values", ("suite_parameters",)
            )
        self.parameters = parameters or {}
        meta = as_mapping(top.get("meta")) or {}
        self.sensitive = self._strings(meta.get("sensitive"), ("meta", "sensitive"))
        gate = self._enum(Gate, meta.get("gate"), Gate.FAIL, ("meta", "gate"))
        name = self._text(top.get("name"), ("name",)) or stem
        raw_entries = top["expectations"]
        entries = raw_entries if isinstance(raw_entries, list) else []
        readings = [self._native_expectation(index, entry, meta, name) for index, entry in enumerate(entries)]
        expectations = [item for item in readings if item is not None]
        return self._suite(name, gate, expectations, None, self._text(meta.get("owner"), ("meta", "owner")))

    def _native_expectation(
        self, index: int, entry: object, suite_meta: Mapping[str, object], suite_name: str
    ) -> Expectation | None:
        path: KeyPath = ("expectations", index)
        own = as_mapping((as_mapping(entry) or {}).get("meta")) or {}
        table = own.get("table") or suite_meta.get("table") or (suite_name if "." in suite_name else None)
        if not isinstance(table, str):
            remedy = 'add "table": "schema.name" to its meta or to the suite\'s'
            self.problems.add("the expectation names no table", remedy, (*path, "meta"))
            return None
        self._table_name(table, path)
        return self._expectation(table, entry, path, _GX_EXPECTATION_KEYS)

    def _suite(
        self,
        name: str,
        gate: Gate,
        expectations: list[Expectation],
        description: str | None,
        owner: str | None,
    ) -> Suite | None:
        if not expectations and not self.problems.listed:
            self.problems.add(
                "the suite holds no expectation", "add one, or set suite: null in the fleet", ()
            )
            return None
        return Suite(name, gate, tuple(expectations), None, None, description, owner, self.sensitive)

    def _table(self, table: str, entries: object) -> Iterable[Expectation]:
        path: KeyPath = ("tables", table)
        self._table_name(table, path)
        if not isinstance(entries, list) or not entries:
            self.problems.add(
                "the table has no expectations", "list at least one below it, or drop it", path, entries
            )
            return
        for index, entry in enumerate(entries):
            expectation = self._expectation(table, entry, (*path, index), _EXPECTATION_KEYS)
            if expectation is not None:
                yield expectation

    def _table_name(self, table: str, path: KeyPath) -> None:
        schema, dot, name = table.partition(".")
        if not (schema and dot and name):
            self.problems.add("the table has no schema", f"write public.{name or table}", path, table)
        elif '"' in table:
            bare = table.replace('"', "")
            self.problems.add(
                "the table's name is quoted", f"write it as the catalogue has it: {bare}", path, table
            )

    def _expectation(
        self, table: str, entry: object, path: KeyPath, keys: tuple[str, ...]
    ) -> Expectation | None:
        written = as_mapping(entry)
        if written is None:
            self.problems.add("not an expectation", "write type: and kwargs:", path, entry)
            return None
        before = len(self.problems.listed)
        self._unknown(written, keys, path)
        expectation_type = self._type(written.get("type"), path)
        if expectation_type is None:
            return None
        kwargs = Kwargs(self.problems, self.parameters).read(
            expectation_type, written.get("kwargs"), (*path, "kwargs")
        )
        meta = self._meta(written.get("meta"), (*path, "meta"))
        expectation = Expectation(
            table=table,
            type=expectation_type.name,
            kwargs=kwargs,
            severity=self._enum(Severity, written.get("severity"), Severity.CRITICAL, (*path, "severity")),
            meta=meta,
            description=self._text(written.get("description"), (*path, "description")),
            line=self.problems.document.line(path),
            path=render(path),
        )
        self._other_table(expectation, path)
        if len(self.problems.listed) == before:  # else two may be alike by what is wrong with them
            self._twice(expectation, path)
        return _with_sensitivity(expectation, self.sensitive)

    def _type(self, written: object, path: KeyPath) -> vocabulary.ExpectationType | None:
        if not isinstance(written, str) or not written:
            self.problems.add("the expectation has no type", "write type: expect_...", path, written)
            return None
        types = vocabulary.expectation_types()
        name = vocabulary.snake_case(written)
        if name in vocabulary.UNSUPPORTED:
            remedy = vocabulary.UNSUPPORTED[name]
            self.problems.add("this type cannot be judged in PostgreSQL", remedy, (*path, "type"), written)
            return None
        if name not in types:
            near = vocabulary.RENAMED.get(name) or vocabulary.nearest(name, list(types))
            remedy = f"did you mean {near}?" if near else "use a type of Great Expectations"
            self.problems.add("unknown expectation type", remedy, (*path, "type"), written)
            return None
        return types[name]

    def _other_table(self, expectation: Expectation, path: KeyPath) -> None:
        """GX looks the other table up in the schema of the first."""
        other = expectation.kwargs.get("other_table_name")
        if not isinstance(other, str) or "." not in other:
            return
        schema, _, _ = expectation.table.partition(".")
        if other.partition(".")[0] != schema:
            remedy = "compare with a table of the same schema, or write an UnexpectedRowsExpectation"
            self.problems.add("the other table lies in another schema", remedy, (*path, "kwargs"), other)

    def _meta(self, written: object, path: KeyPath) -> Mapping[str, object]:
        meta = as_mapping({} if written is None else written)
        if meta is None:
            self.problems.add("meta is no mapping", "write why: and owner: below it", path, written)
            return {}
        if not isinstance(meta.get("sensitive", False), bool):
            self.problems.add(
                "sensitive is not true or false", "write one", (*path, "sensitive"), meta["sensitive"]
            )
        return meta

    def _twice(self, expectation: Expectation, path: KeyPath) -> None:
        key = (
            expectation.table,
            expectation.type,
            repr(sorted(expectation.kwargs.items(), key=lambda item: item[0])),
        )
        if key in self.seen:
            first = f"line {self.seen[key]}" if self.seen[key] else "above"
            self.problems.add(
                "the expectation stands twice", f"drop it; the first is in {first}", path, expectation.type
            )
        self.seen.setdefault(key, expectation.line)

    def _unknown(self, mapping: Mapping[str, object], keys: tuple[str, ...], path: KeyPath) -> None:
        for key in mapping:
            if key not in keys:
                near = vocabulary.nearest(key, list(keys))
                meant = f"did you mean {near}?" if near else f"known: {', '.join(keys)}"
                self.problems.add(f'unknown key "{key}"', meant, (*path, key))

    def _enum(self, kind: type[_E], value: object, default: _E, path: KeyPath) -> _E:
        if value is None:
            return default
        values = [member.value for member in kind]
        if isinstance(value, str) and value in values:
            return kind(value)
        self.problems.add(f"not a {path[-1]}", f"write {' or '.join(values)}", path, value)
        return default

    def _text(self, value: object, path: KeyPath) -> str | None:
        if value is None or (isinstance(value, str) and value):
            return value
        self.problems.add(f"{path[-1]} is no text", "write text", path, value)
        return None

    def _strings(self, value: object, path: KeyPath) -> tuple[str, ...]:
        if value is None:
            return ()
        if isinstance(value, list) and all(isinstance(member, str) for member in value):
            return tuple(value)
        self.problems.add(
            "not a list of column patterns", 'write ["public.people.*", "*.nickname"]', path, value
        )
        return ()


def _with_sensitivity(expectation: Expectation, patterns: tuple[str, ...]) -> Expectation:
    tagged = expectation.meta.get("sensitive")
    has_sensitive_column = any(
        is_sensitive(expectation.table, column, patterns) for column in expectation.columns
    )
    sensitive = tagged if isinstance(tagged, bool) else has_sensitive_column
    return replace(expectation, sensitive=True) if sensitive else expectation


def _unusable(path: Path, what: str, remedy: str) -> SuiteInvalid:
    return SuiteInvalid((Problem(what, remedy, str(path)),))


def _neighbours(path: Path) -> str:
    names = sorted(file.name for file in path.parent.glob("*") if fnmatch.fnmatch(file.suffix, ".[jy]*"))
    return ", ".join(names[:10]) if names else f"there is none in {path.parent}"
