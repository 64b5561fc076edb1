"""Reading a suite: strict, with file, line, path and remedy for everything that is wrong.

Decision: all problems of a file are reported at once, and the check needs no Great Expectations (its import
costs seconds); `deep=True` asks GX's own models as well.
"""

from __future__ import annotations

import fnmatch
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import TypeVar

from expectations import vocabulary
from expectations.located import Located, Unreadable, as_mapping, read_json, read_yaml
from expectations.sensitive import is_sensitive
from expectations.suite import (
    Expectation,
    Gate,
    Parameter,
    Problem,
    RelativeTime,
    Severity,
    Suite,
    SuiteInvalid,
)
from expectations.times import is_dynamic, parse_dynamic

_SUITE_KEYS = ("suite", "gate", "tables", "description", "owner", "sensitive", "declined")
_EXPECTATION_KEYS = ("type", "kwargs", "severity", "meta", "description")
_GX_SUITE_KEYS = ("name", "expectations", "meta", "notes", "id", "suite_parameters")
_GX_EXPECTATION_KEYS = (*_EXPECTATION_KEYS, "id", "notes", "rendered_content")
_DYNAMIC_KEYS = ("min_value", "max_value", "value", "sum_total", "threshold", "value_set", "row_condition")
_Path = tuple[str | int, ...]
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
        content = path.read_bytes()
        text = content.decode("utf-8")
    except FileNotFoundError as error:
        raise _unusable(path, "no such suite", f"write it, or name another: {_neighbours(path)}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise _unusable(path, f"cannot be read: {type(error).__name__}", "give a UTF-8 text file") from error
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
        located = read_json(text) if native else read_yaml(text)
    except Unreadable as error:
        remedy = "correct the file; every key stands once" if "twice" in error.what else "correct the file"
        raise SuiteInvalid((Problem(error.what, remedy, str(path), error.line),)) from error
    reader = _Reader(str(path), located)
    suite = reader.native(path.stem) if native else reader.yaml(path.stem)
    if reader.problems or suite is None:
        raise SuiteInvalid(tuple(reader.problems))
    return suite


@dataclass(slots=True)
class _Reader:
    """One reading of one file: what was found, and every problem on the way."""

    file: str
    located: Located
    problems: list[Problem] = field(default_factory=list)
    seen: dict[tuple[str, str, str], int | None] = field(default_factory=dict)
    sensitive: tuple[str, ...] = ()

    def yaml(self, stem: str) -> Suite | None:
        top = as_mapping(self.located.data)
        if top is None:
            self._problem("the file holds no suite", "write suite, gate and tables", ())
            return None
        self._unknown(top, _SUITE_KEYS, ())
        self.sensitive = self._strings(top.get("sensitive"), ("sensitive",))
        self._strings(top.get("declined"), ("declined",))
        gate = self._enum(Gate, top.get("gate"), Gate.FAIL, ("gate",))
        tables = as_mapping(top.get("tables"))
        if tables is None:
            self._problem("no tables", "list expectations below tables: and a table's name", ("tables",))
            return None
        found = [one for table in tables for one in self._table(table, tables[table])]
        return self._suite(
            name=self._text(top.get("suite"), ("suite",)) or stem,
            gate=gate,
            found=found,
            description=self._text(top.get("description"), ("description",)),
            owner=self._text(top.get("owner"), ("owner",)),
        )

    def native(self, stem: str) -> Suite | None:
        top = as_mapping(self.located.data)
        if top is None or not isinstance(top.get("expectations"), list):
            self._problem("not a GX suite", "write an object with name and expectations", ())
            return None
        self._unknown(top, _GX_SUITE_KEYS, ())
        meta = as_mapping(top.get("meta")) or {}
        self.sensitive = self._strings(meta.get("sensitive"), ("meta", "sensitive"))
        gate = self._enum(Gate, meta.get("gate"), Gate.FAIL, ("meta", "gate"))
        name = self._text(top.get("name"), ("name",)) or stem
        listed = top["expectations"]
        entries = listed if isinstance(listed, list) else []
        found = [self._native_one(index, entry, meta, name) for index, entry in enumerate(entries)]
        kept = [one for one in found if one is not None]
        return self._suite(name, gate, kept, None, self._text(meta.get("owner"), ("meta", "owner")))

    def _native_one(
        self, index: int, entry: object, suite_meta: Mapping[str, object], suite_name: str
    ) -> Expectation | None:
        path: _Path = ("expectations", index)
        own = as_mapping((as_mapping(entry) or {}).get("meta")) or {}
        table = own.get("table") or suite_meta.get("table") or (suite_name if "." in suite_name else None)
        if not isinstance(table, str):
            remedy = 'add "table": "schema.name" to its meta or to the suite\'s'
            self._problem("the expectation names no table", remedy, (*path, "meta"))
            return None
        self._table_name(table, path)
        return self._one(table, entry, path, _GX_EXPECTATION_KEYS)

    def _suite(
        self, name: str, gate: Gate, found: list[Expectation], description: str | None, owner: str | None
    ) -> Suite | None:
        if not found and not self.problems:
            self._problem("the suite holds no expectation", "add one, or set suite: null in the fleet", ())
            return None
        return Suite(name, gate, tuple(found), None, None, description, owner, self.sensitive)

    def _table(self, table: str, entries: object) -> Iterable[Expectation]:
        path: _Path = ("tables", table)
        self._table_name(table, path)
        if not isinstance(entries, list) or not entries:
            self._problem(
                "the table has no expectations", "list at least one below it, or drop it", path, entries
            )
            return
        for index, entry in enumerate(entries):
            one = self._one(table, entry, (*path, index), _EXPECTATION_KEYS)
            if one is not None:
                yield one

    def _table_name(self, table: str, path: _Path) -> None:
        schema, dot, name = table.partition(".")
        if not (schema and dot and name):
            self._problem("the table has no schema", f"write public.{name or table}", path, table)
        elif '"' in table:
            bare = table.replace('"', "")
            self._problem(
                "the table's name is quoted", f"write it as the catalogue has it: {bare}", path, table
            )

    def _one(self, table: str, entry: object, path: _Path, keys: tuple[str, ...]) -> Expectation | None:
        written = as_mapping(entry)
        if written is None:
            self._problem("not an expectation", "write type: and kwargs:", path, entry)
            return None
        self._unknown(written, keys, path)
        known = self._type(written.get("type"), path)
        if known is None:
            return None
        kwargs = self._kwargs(known, written.get("kwargs"), (*path, "kwargs"))
        meta = self._meta(written.get("meta"), (*path, "meta"))
        one = Expectation(
            table=table,
            type=known.name,
            kwargs=kwargs,
            severity=self._enum(Severity, written.get("severity"), Severity.CRITICAL, (*path, "severity")),
            meta=meta,
            description=self._text(written.get("description"), (*path, "description")),
            line=self.located.line(path),
            path=_say_path(path),
        )
        self._other_table(one, path)
        self._twice(one, path)
        return _with_sensitivity(one, self.sensitive)

    def _type(self, written: object, path: _Path) -> vocabulary.ExpectationType | None:
        if not isinstance(written, str) or not written:
            self._problem("the expectation has no type", "write type: expect_...", path, written)
            return None
        types = vocabulary.expectation_types()
        name = vocabulary.snake_case(written)
        if name in vocabulary.UNSUPPORTED:
            remedy = vocabulary.UNSUPPORTED[name]
            self._problem("this type cannot be judged in PostgreSQL", remedy, (*path, "type"), written)
            return None
        if name not in types:
            near = vocabulary.nearest(name, list(types))
            remedy = f"did you mean {near}?" if near else "use a type of Great Expectations"
            self._problem("unknown expectation type", remedy, (*path, "type"), written)
            return None
        return types[name]

    def _kwargs(self, known: vocabulary.ExpectationType, written: object, path: _Path) -> dict[str, object]:
        given = as_mapping({} if written is None else written)
        if given is None:
            self._problem("kwargs is no mapping", "write name: value pairs", path, written)
            return {}
        for key in given:
            if key not in known.known:
                near = vocabulary.nearest(key, list(known.known))
                meant = f"did you mean {near}?" if near else f"it knows {', '.join(known.known)}"
                self._problem(f'{known.name} has no kwarg "{key}"', meant, (*path, key))
        for key in known.required:
            if given.get(key) is None:
                self._problem(f'{known.name} needs the kwarg "{key}"', f"add {key}:", path)
        self._bounds(given, known, path)
        return {key: self._value(key, value, (*path, key)) for key, value in given.items()}

    def _bounds(self, given: Mapping[str, object], known: vocabulary.ExpectationType, path: _Path) -> None:
        if not {"min_value", "max_value"} <= set(known.known) or "partition_object" in known.known:
            return
        low, high = given.get("min_value"), given.get("max_value")
        if low is None and high is None:
            self._problem(f"{known.name} has no bound", "give min_value, max_value or both", path)
        elif isinstance(low, (int, float)) and isinstance(high, (int, float)) and low > high:
            self._problem("min_value is above max_value", "exchange them", path, f"{low} > {high}")

    def _value(self, key: str, value: object, path: _Path) -> object:
        if is_dynamic(value):
            return self._dynamic(key, value, path)
        wanted = vocabulary.kind_error(key, value)
        if wanted is not None:
            self._problem(f"{key} is not {wanted}", f"write {wanted}", path, value)
        if isinstance(value, list):
            return [self._value("", one, (*path, index)) for index, one in enumerate(value)]
        if isinstance(value, dict):
            return {str(name): self._value("", one, (*path, name)) for name, one in value.items()}
        return value

    def _dynamic(self, key: str, value: object, path: _Path) -> RelativeTime | Parameter | None:
        if key and key not in _DYNAMIC_KEYS:
            self._problem(f"{key} takes no relative value", f"write the {key} itself", path, value)
            return None
        try:
            return parse_dynamic(as_mapping(value) or {})
        except ValueError as error:
            what, _, remedy = str(error).partition("; ")
            self._problem(what, remedy or "write {as_of: -26h} or {param: last_rows}", path)
            return None

    def _other_table(self, one: Expectation, path: _Path) -> None:
        """GX looks the other table up in the schema of the first."""
        other = one.kwargs.get("other_table_name")
        if not isinstance(other, str) or "." not in other:
            return
        schema, _, _ = one.table.partition(".")
        if other.partition(".")[0] != schema:
            remedy = "compare with a table of the same schema, or write an UnexpectedRowsExpectation"
            self._problem("the other table lies in another schema", remedy, (*path, "kwargs"), other)

    def _meta(self, written: object, path: _Path) -> Mapping[str, object]:
        meta = as_mapping({} if written is None else written)
        if meta is None:
            self._problem("meta is no mapping", "write why: and owner: below it", path, written)
            return {}
        return meta

    def _twice(self, one: Expectation, path: _Path) -> None:
        key = (one.table, one.type, repr(sorted(one.kwargs.items(), key=lambda item: item[0])))
        if key in self.seen:
            first = f"line {self.seen[key]}" if self.seen[key] else "above"
            self._problem("the expectation stands twice", f"drop it; the first is in {first}", path, one.type)
        self.seen.setdefault(key, one.line)

    def _unknown(self, given: Mapping[str, object], known: tuple[str, ...], path: _Path) -> None:
        for key in given:
            if key not in known:
                near = vocabulary.nearest(key, list(known))
                meant = f"did you mean {near}?" if near else f"known: {', '.join(known)}"
                self._problem(f'unknown key "{key}"', meant, (*path, key))

    def _enum(self, kind: type[_E], value: object, default: _E, path: _Path) -> _E:
        if value is None:
            return default
        known = [one.value for one in kind]
        if isinstance(value, str) and value in known:
            return kind(value)
        self._problem(f"not a {path[-1]}", f"write {' or '.join(known)}", path, value)
        return default

    def _text(self, value: object, path: _Path) -> str | None:
        if value is None or (isinstance(value, str) and value):
            return value
        self._problem(f"{path[-1]} is no text", "write text", path, value)
        return None

    def _strings(self, value: object, path: _Path) -> tuple[str, ...]:
        if value is None:
            return ()
        if isinstance(value, list) and all(isinstance(one, str) for one in value):
            return tuple(value)
        self._problem("not a list of column patterns", 'write ["public.people.*", "*.nickname"]', path, value)
        return ()

    def _problem(self, what: str, remedy: str, path: _Path, value: object = None) -> None:
        shown = None if value is None else _short(value)
        what = f'{what}: "{shown}"' if shown is not None else what
        line = self.located.line(path)
        self.problems.append(Problem(what, remedy, self.file, line, _say_path(path), shown))


def _with_sensitivity(one: Expectation, patterns: tuple[str, ...]) -> Expectation:
    tagged = one.meta.get("sensitive")
    found = any(is_sensitive(one.table, column, patterns) for column in one.columns)
    sensitive = tagged if isinstance(tagged, bool) else found
    return replace(one, sensitive=True) if sensitive else one


def _say_path(path: _Path) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".")


def _short(value: object, limit: int = 80) -> str:
    text = value.isoformat() if isinstance(value, date) else str(value)
    return text if len(text) <= limit else f"{text[:limit]}..."


def _unusable(path: Path, what: str, remedy: str) -> SuiteInvalid:
    return SuiteInvalid((Problem(what, remedy, str(path)),))


def _neighbours(path: Path) -> str:
    names = sorted(one.name for one in path.parent.glob("*") if fnmatch.fnmatch(one.suffix, ".[jy]*"))
    return ", ".join(names[:10]) if names else f"there is none in {path.parent}"
