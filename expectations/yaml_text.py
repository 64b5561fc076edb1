"""The one reader of YAML, for fleet files, suites and seeds: YAML 1.2; what is written is what is read.

Decisions:
- YAML 1.2's core schema: `NO`, `off`, `1:30`, `1_000` and `2026-03-04` are text, `010` is ten. Older readers
  take them for false, 90, 1000, a date and eight: `Document.notes` names every value of which that is so.
- A key that stands twice, a tag, a key that is no text and a second document are refused: each would drop or
  change something that is written. `<<` merges, and a mapping's own keys win.
- ruamel.yaml's scanner in Python, 0.25 s for 500 expectations. Its C library is thirty times as fast, and
  refuses `[1:30]`; so old a libyaml knows no YAML 1.2.
- Text is foreign: bytes, depth, digits and values are bounded, those that aliases multiply included, and
  composing recurses nowhere.
"""

from __future__ import annotations

import io
import math
import os
import re
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any, NoReturn

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)
from ruamel.yaml.reader import ReaderError
from ruamel.yaml.representer import SafeRepresenter

from expectations import json_text
from expectations.json_text import JsonInvalid

KeyPath = tuple[str | int, ...]
"""Where a value stands in a document: `("databases", 2, "rpo")`."""

MOST_BYTES = 8 << 20
MOST_VALUES = 500_000
"""Aliases can make a small file expand without end; no file of ours is larger than this."""
MOST_DEPTH = 60
MOST_DIGITS = 400
_SHOWN = 40
_MERGE = "<<"

_NULL = re.compile(r"(?:~|null|Null|NULL|)\Z")
_BOOL = re.compile(r"(?:true|True|TRUE|false|False|FALSE)\Z")
_INT = re.compile(r"(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)\Z")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?\Z")
_NOT_FINITE = re.compile(r"(?:[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))\Z")
# What YAML 1.1 makes of a plain value, the reading that this one does not share; the order is the one to try.
_YAML_1_1: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"(?:yes|Yes|YES|on|On|ON)\Z"), "true"),
    (re.compile(r"(?:no|No|NO|off|Off|OFF)\Z"), "false"),
    (re.compile(r"[0-9]{4}-[0-9][0-9]?-[0-9][0-9]?(?:[Tt \t].*)?\Z"), "a date"),
    (re.compile(r"[-+]?[0-9][0-9_]*:[0-5]?[0-9][0-9_:.]*\Z"), "a number to the base of 60"),
    (re.compile(r"[-+]?0b[01_]+\Z"), "a binary number"),
    (re.compile(r"[-+]?0[0-7_]+\Z"), "an octal number"),
    (re.compile(r"[-+]?0[0-9_]+\Z"), "text"),
    (re.compile(r"0o[0-7]+\Z"), "text"),
    (re.compile(r"[-+]0x[0-9a-fA-F_]+\Z|0x[0-9a-fA-F]*_[0-9a-fA-F_]*\Z"), "a number"),
    (re.compile(r"[-+]?[0-9][0-9.]*_[0-9_.]*(?:[eE][-+][0-9]+)?\Z"), "a number"),
    (re.compile(r"=\Z"), "a default"),
)
_LIKE_EXPONENT = re.compile(r"[-+]?(?:[0-9]+[eE][-+]?[0-9]+|[0-9]*\.[0-9]*[eE][0-9]+)\Z")
# Line ends for YAML 1.1, characters for 1.2: folded away inside of quotes by some readers.
_OTHER_LINE_ENDS = re.compile("[\x85\u2028\u2029]")


@dataclass(frozen=True, slots=True)
class Trouble:
    """One thing wrong with a text.

    Attributes:
        path: the value concerned; () for the text as a whole.
        message: fact and remedy, one sentence.
        line: from 1.
        first_line: of a key that stands twice, where it stands first.
    """

    message: str
    line: int | None = None
    path: KeyPath = ()
    first_line: int | None = None


@dataclass(frozen=True, slots=True)
class Note:
    """A value that readers of YAML 1.1 take for something else.

    Attributes:
        text: as it is written.
        here: what it is here.
        elsewhere: what it is for them.
    """

    path: KeyPath
    line: int
    text: str
    here: str
    elsewhere: str


@dataclass(frozen=True, slots=True)
class Shape:
    """How a list or mapping is written: in flow style (`[a, b]`), its column from 0."""

    flow: bool
    column: int


@dataclass(slots=True)
class Document:
    """A document: plain data, and where each value stands.

    Attributes:
        lines: of every path, from 1; of a mapping's value that of its key.
        shapes: of every list and mapping.
        notes: values that older readers take for something else, in the order of the text.
    """

    data: Any = None
    lines: dict[KeyPath, int] = field(default_factory=dict)
    shapes: dict[KeyPath, Shape] = field(default_factory=dict)
    notes: tuple[Note, ...] = ()

    def line(self, path: KeyPath) -> int:
        """Return the line of *path*, or of the nearest thing around it that the text holds."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


class Unreadable(Exception):  # noqa: N818  what went wrong, in the field's words
    """A text that is no document of ours; holds every trouble that was seen."""

    @property
    def troubles(self) -> tuple[Trouble, ...]:
        """What is wrong; at least one."""
        troubles: tuple[Trouble, ...] = self.args[0]
        return troubles

    def __str__(self) -> str:
        return "; ".join(trouble.message for trouble in self.troubles)


def read_bytes(path: Path, most_bytes: int = MOST_BYTES) -> bytes:
    """Return what the file *path* holds, which is a regular file of bounded size.

    Raises:
        FileNotFoundError: it is not there.
        OSError: it cannot be opened or read.
        Unreadable: it is no file, or too large to be one of ours.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode):
            kind = "a folder; name the file in it" if stat.S_ISDIR(mode) else "no regular file; name one"
            _refuse(f"this is {kind}")
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            content = file.read(most_bytes + 1)
    finally:
        os.close(descriptor)
    if len(content) > most_bytes:
        _refuse(f"the file is larger than {most_bytes >> 20} MiB; write less into it")
    return content


def decode(content: bytes) -> str:
    """Return *content* as text.

    Raises:
        Unreadable: it is not UTF-8.
    """
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        _refuse(f"the file is not UTF-8 text (byte {error.start}); store it as UTF-8", line)


def read_yaml(text: str) -> Document:
    """Return the one document in *text*; its data is None where there is nothing in it.

    Raises:
        Unreadable: it is not YAML 1.2, or holds what is refused (see the module).
    """
    if len(text) > MOST_BYTES:
        _refuse(f"the text is longer than {MOST_BYTES:,} characters; write less")
    other = _OTHER_LINE_ENDS.search(text)
    if other is not None:
        line = text.count("\n", 0, other.start()) + 1
        _refuse(f"the character U+{ord(other[0]):04X} ends a line for some readers; take it out", line)
    composer = _Composer()
    try:
        for event in YAML(typ="safe", pure=True).parse(text):
            composer.take(event)
    except MarkedYAMLError as error:
        raise Unreadable((_syntax(error, text),)) from error
    except ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        code = error.character if isinstance(error.character, int) else ord(error.character)
        trouble = f"not YAML: the character with code {code} may not stand in a text file; take it out"
        raise Unreadable((Trouble(trouble, line),)) from error
    except (
        YAMLError,
        AssertionError,
        ValueError,
        IndexError,
        OverflowError,
    ) as error:  # a scanner's own slips
        raise Unreadable((Trouble(f"not YAML ({type(error).__name__})", composer.line),)) from error
    if composer.troubles:
        raise Unreadable(tuple(composer.troubles))
    return composer.document()


def read_json(text: str) -> Document:
    """Return the document in *text*, which is JSON; lines come from reading it as YAML, which it is nearly.

    Raises:
        Unreadable: it is not JSON, or holds what is refused (see the module).
    """
    try:
        data = json_text.read_json(text, MOST_BYTES)
    except JsonInvalid as error:
        raise Unreadable((Trouble(f"not valid JSON: {error.what}", error.line),)) from error
    try:
        located = read_yaml(text.replace("\t", " "))
    except Unreadable:  # JSON that YAML cannot read, such as surrogate pairs: only the lines are missing
        return Document(data)
    return Document(data, located.lines, located.shapes)


def flow(value: object) -> str:
    """Return *value* as YAML in one line, the same for readers of YAML 1.1 and 1.2; dates as text."""
    text = _written(value, allow_unicode=True)
    return _written(value, allow_unicode=False) if _OTHER_LINE_ENDS.search(text) else text


def render(path: KeyPath) -> str:
    """Return *path* as people write it: `databases[2].backup.at`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def as_mapping(value: object) -> Mapping[str, object] | None:
    """Return *value* if it is a mapping with strings as keys."""
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return value
    return None


# --- composing


@dataclass(slots=True)
class _Frame:
    """A list or mapping that is being read.

    Attributes:
        key: of the value that comes next; None where a key comes next.
        merges: that key is `<<`, not in quotes.
        began: how many places had been noted before it.
        values: in it so far, itself included.
        merged: what `<<` brought, the first to win.
    """

    path: KeyPath
    container: list[Any] | dict[str, Any]
    anchor: str | None
    began: int
    values: int = 1
    key: str | None = None
    merges: bool = False
    key_line: int = 0
    key_lines: dict[str, int] = field(default_factory=dict)
    merged: list[tuple[dict[str, Any], KeyPath]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Anchored:
    """A value that aliases repeat: with its size, and the places noted for it."""

    value: Any
    values: int
    path: KeyPath
    places: range


class _Composer:
    """Makes data out of a scanner's events, one by one; nothing of it recurses."""

    def __init__(self) -> None:
        self.troubles: list[Trouble] = []
        self.line = 1
        self._root: Any = None
        self._documents = 0
        self._frames: list[_Frame] = []
        self._anchors: dict[str, _Anchored] = {}
        self._places: list[tuple[KeyPath, int, Shape | None]] = []
        self._notes: list[Note] = []
        self._left = MOST_VALUES

    def document(self) -> Document:
        """Return what was read."""
        lines: dict[KeyPath, int] = {}
        shapes: dict[KeyPath, Shape] = {}
        for path, line, shape in self._places:
            lines.setdefault(path, line)
            if shape is not None:
                shapes.setdefault(path, shape)
        return Document(self._root, lines, shapes, tuple(self._notes))

    def take(self, event: Event) -> None:
        """Go on by one *event*.

        Raises:
            Unreadable: the text cannot be read on.
        """
        self.line = event.start_mark.line + 1
        if isinstance(event, DocumentStartEvent):
            self._begin(event)
        elif isinstance(event, AliasEvent):
            self._repeat(event)
        elif isinstance(event, ScalarEvent):
            self._scalar(event)
        elif isinstance(event, (MappingStartEvent, SequenceStartEvent)):
            self._open(event)
        elif isinstance(event, (MappingEndEvent, SequenceEndEvent)):
            self._close()

    def _begin(self, event: DocumentStartEvent) -> None:
        self._documents += 1
        if self._documents > 1:
            _refuse(
                "expected a single document, and a second begins here (---); write it into a file of its own",
                self.line,
            )
        if event.version is not None and tuple(event.version) != (1, 2):
            _refuse("a %YAML line names another version, and this is read as 1.2; take it out", self.line)

    def _scalar(self, event: ScalarEvent) -> None:
        self._count(1)
        self._check_tag(event)
        plain = event.style in {None, ""}
        text = str(event.value)
        if not text.isascii() and any("\ud800" <= char <= "\udfff" for char in text):
            _refuse("half of a surrogate pair is no character; write the character itself", self.line)
        if self._wants_key():
            self._key(text, plain=plain)
            return
        value = self._resolve(text) if plain else text
        place = self._next_path()
        if plain and (note := _note(place, self.line, text, value)) is not None:
            self._notes.append(note)
        began = self._mark(place)
        self._anchor(event.anchor, value, 1, place, began)
        self._put(value, 1)

    def _open(self, event: MappingStartEvent | SequenceStartEvent) -> None:
        self._count(1)
        self._check_tag(event)
        if self._wants_key():
            _refuse("the key (a list or mapping) is not text; write text", self.line)
        if len(self._frames) == MOST_DEPTH:
            _refuse("values are nested too deeply; no file of ours needs that", self.line)
        place = self._next_path()
        shape = Shape(bool(event.flow_style), event.start_mark.column)
        began = self._mark(place, shape)
        if event.anchor is not None:
            self._anchors.pop(event.anchor, None)
        container: list[Any] | dict[str, Any] = {} if isinstance(event, MappingStartEvent) else []
        self._frames.append(_Frame(place, container, event.anchor, began))

    def _close(self) -> None:
        frame = self._frames.pop()
        if isinstance(frame.container, dict):
            self._merge(frame, frame.container)
        self._anchor(frame.anchor, frame.container, frame.values, frame.path, frame.began)
        self._put(frame.container, frame.values)

    def _repeat(self, event: AliasEvent) -> None:
        name = event.anchor
        if self._wants_key():
            _refuse("an alias cannot be a key; write the key out", self.line)
        if any(frame.anchor == name for frame in self._frames):
            _refuse("an alias contains itself; write the values out", self.line)
        anchored = self._anchors.get(name)
        if anchored is None:
            _refuse(f'undefined alias "{name[:_SHOWN]}": no &{name[:_SHOWN]} stands above it', self.line)
        self._count(anchored.values)
        place = self._next_path()
        self._mark(place)
        self._copy_places(anchored.places, anchored.path, place)
        self._put(anchored.value, anchored.values)

    def _key(self, text: str, *, plain: bool) -> None:
        frame = self._frames[-1]
        frame.merges = plain and text == _MERGE
        if plain and not frame.merges and not isinstance(self._resolve(text), str):
            shown = text[:_SHOWN] or "(empty)"
            message = f"the key {shown} is not text; write it in quotes"
            self.troubles.append(Trouble(message, self.line, frame.path))
        elif text in frame.key_lines and not frame.merges:
            first = frame.key_lines[text]
            message = f"this key already stands in line {first}; keep one"
            self.troubles.append(Trouble(message, self.line, (*frame.path, text), first))
        frame.key_lines.setdefault(text, self.line)
        frame.key, frame.key_line = text, self.line

    def _merge(self, frame: _Frame, own: dict[str, Any]) -> None:
        """Add what `<<` brought and the mapping's own keys do not say."""
        for source, path in frame.merged:
            for key, value in source.items():
                if key in own:
                    continue
                own[key] = value
                places = range(frame.began, len(self._places))
                self._copy_places(places, (*path, key), (*frame.path, key))

    def _put(self, value: Any, values: int) -> None:  # noqa: ANN401  a document's
        if not self._frames:
            self._root = value
            return
        frame = self._frames[-1]
        frame.values += values
        if isinstance(frame.container, list):
            frame.container.append(value)
            return
        key = frame.key or ""
        frame.key = None
        if frame.merges:
            self._note_merge(frame, value)
        else:
            frame.container.setdefault(key, value)

    def _note_merge(self, frame: _Frame, value: Any) -> None:  # noqa: ANN401  a document's
        place = (*frame.path, _MERGE)
        sources = value if isinstance(value, list) else [value]
        if not all(isinstance(source, dict) for source in sources):
            self.troubles.append(Trouble("<< takes a mapping or a list of them", self.line, place))
            return
        single = not isinstance(value, list)
        frame.merged += [(source, place if single else (*place, at)) for at, source in enumerate(sources)]

    def _wants_key(self) -> bool:
        frame = self._frames[-1] if self._frames else None
        return frame is not None and isinstance(frame.container, dict) and frame.key is None

    def _next_path(self) -> KeyPath:
        if not self._frames:
            return ()
        frame = self._frames[-1]
        if isinstance(frame.container, list):
            return (*frame.path, len(frame.container))
        return (*frame.path, frame.key or "")

    def _mark(self, path: KeyPath, shape: Shape | None = None) -> int:
        """Note where *path* stands, and return how many places there were before."""
        frame = self._frames[-1] if self._frames else None
        of_key = frame is not None and isinstance(frame.container, dict)
        self._places.append((path, frame.key_line if frame is not None and of_key else self.line, shape))
        return len(self._places) - 1

    def _copy_places(self, places: range, above: KeyPath, to: KeyPath) -> None:
        depth = len(above)
        for at in places:
            path, line, shape = self._places[at]
            if path[:depth] == above:
                self._places.append(((*to, *path[depth:]), line, shape))

    def _anchor(self, name: str | None, value: Any, values: int, path: KeyPath, began: int) -> None:  # noqa: ANN401
        if name is not None:
            self._anchors[name] = _Anchored(value, values, path, range(began, len(self._places)))

    def _count(self, values: int) -> None:
        self._left -= values
        if self._left < 0:
            _refuse(f"more than {MOST_VALUES} values; write fewer, or no alias of aliases", self.line)

    def _check_tag(self, event: ScalarEvent | MappingStartEvent | SequenceStartEvent) -> None:
        if event.tag is not None:
            _refuse("not YAML: a YAML tag (!...) is not understood; write plain values", self.line)

    def _resolve(self, text: str) -> Any:  # noqa: ANN401  a document's
        try:
            return _core(text)
        except ValueError as error:
            _refuse(str(error), self.line)


def _core(text: str) -> str | bool | float | None:
    """Return a plain value by YAML 1.2's core schema.

    Raises:
        ValueError: a number that no computer holds.
    """
    if _NULL.match(text):
        return None
    if _BOOL.match(text):
        return text[0] in "tT"
    if len(text) > MOST_DIGITS and (_INT.match(text) or _FLOAT.match(text)):
        raise ValueError(f"a number of {len(text)} digits; write it in quotes if it is text")
    if _INT.match(text):
        return int(text, 0) if text[:2] in {"0o", "0x"} else int(text)
    if _FLOAT.match(text):
        number = float(text)
        if not math.isfinite(number):
            raise ValueError(f"the number {text[:_SHOWN]} is too large; write it in quotes if it is text")
        return number
    return float(text.replace(".", "", 1)) if _NOT_FINITE.match(text) else text


def _note(path: KeyPath, line: int, text: str, value: object) -> Note | None:
    """Return how readers of YAML 1.1 take the plain *text* otherwise; None where they do not."""
    elsewhere = _elsewhere(text)
    if elsewhere is None:
        return None
    reading = "text" if isinstance(value, str) else f"the number {value}"
    return None if reading == elsewhere else Note(path, line, text[:_SHOWN], reading, elsewhere)


def _elsewhere(text: str) -> str | None:
    """Return what YAML 1.1 makes of *text*, where that is not the same as here."""
    if _LIKE_EXPONENT.match(text):
        return "text"
    for pattern, elsewhere in _YAML_1_1:
        if pattern.match(text):
            return elsewhere
    return None


def _syntax(error: MarkedYAMLError, text: str) -> Trouble:
    mark = error.problem_mark or error.context_mark
    line = None if mark is None else min(mark.line + 1, text.count("\n") + 1)
    problem = str(error.problem or "").splitlines()
    what = problem[0] if problem else "not understood"
    if "'\\t'" in what:
        what = "a tab stands where YAML wants spaces; indent with spaces"
    elif error.context:
        what += f" ({str(error.context).splitlines()[0]})"
    return Trouble(f"not YAML: {what}", line)


def _refuse(message: str, line: int | None = None) -> NoReturn:
    raise Unreadable((Trouble(message, line),))


# --- writing


class _Representer(SafeRepresenter):
    """Quotes what a reader of YAML 1.1 takes for something else."""


def _written(value: object, *, allow_unicode: bool) -> str:
    writer = YAML(typ="safe", pure=True)
    writer.Representer = _Representer
    writer.default_flow_style = True
    writer.allow_unicode = allow_unicode
    writer.width = 1 << 30
    writer.sort_base_mapping_type_on_output = False  # type: ignore[assignment]  # ruamel declares None
    stream = io.StringIO()
    writer.dump(value, stream)
    return stream.getvalue().removesuffix("\n").removesuffix("...").strip()


def _represent_text(representer: SafeRepresenter, text: str) -> Any:  # noqa: ANN401  ruamel's node
    style = "'" if _elsewhere(text) is not None or text == _MERGE else None
    return representer.represent_scalar("tag:yaml.org,2002:str", text, style=style)


def _represent_number(representer: SafeRepresenter, number: float) -> Any:  # noqa: ANN401  ruamel's node
    text = repr(number)
    if "e" in text and "." not in text:  # text for a reader of YAML 1.1
        text = text.replace("e", ".0e")
    elif not math.isfinite(number):
        text = f".{text}".replace(".-", "-.")
    return representer.represent_scalar("tag:yaml.org,2002:float", text)


def _represent_time(representer: SafeRepresenter, at: date) -> Any:  # noqa: ANN401  ruamel's node
    return _represent_text(representer, at.isoformat())


_represent: Callable[..., None] = _Representer.add_representer
for _type, _function in (
    (str, _represent_text),
    (float, _represent_number),
    (date, _represent_time),
    (datetime, _represent_time),
):
    _represent(_type, _function)
