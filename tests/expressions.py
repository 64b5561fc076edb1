"""Every regular expression of ours, how it is used, and texts that a bad one would spin on."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from pathlib import Path
from re import _constants as ops  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

PACKAGES = ("tasks", "expectations", "flows", "deployments")
ROOT = Path(__file__).parents[1]
_METHODS = ("search", "match", "fullmatch")
_SEARCHES = frozenset({"search", "sub", "subn", "finditer", "findall", "split"})
_REPEATS = frozenset({ops.MAX_REPEAT, ops.MIN_REPEAT, ops.POSSESSIVE_REPEAT})
_LIKELY = "a1 AZz_-.'\"\n\t\r/:;(),{}[]<>=\\%@|+*$#!?&~^`\x01"
_ALPHABET = tuple(dict.fromkeys((*_LIKELY, *map(chr, range(256)))))
_UNBOUNDED = 64  # a repetition of up to so many is no loop


@dataclass(frozen=True)
class Expression:
    """One regular expression.

    Attributes:
        where: module and name, or module and line.
        methods: with which it is matched; all, where that cannot be told.
    """

    where: str
    pattern: re.Pattern[Any]
    methods: tuple[str, ...]

    def text(self, text: str) -> Any:
        """Return *text* as this expression takes it."""
        return text if isinstance(self.pattern.pattern, str) else text.encode("latin-1")


def expressions() -> list[Expression]:
    """Return all: those that a module's names lead to, and those written in a call."""
    collected: dict[tuple[Any, int], Expression] = {}
    for module in _modules():
        tree = ast.parse(Path(module.__file__).read_text(encoding="utf-8"))
        for name, value in vars(module).items():
            for pattern in _patterns_in(value):
                used = _methods_of(tree, name)
                known = collected.get((pattern.pattern, pattern.flags))
                methods = tuple(sorted({*used, *(known.methods if known else ())}))
                where = known.where if known else f"{module.__name__}.{name}"
                collected[pattern.pattern, pattern.flags] = Expression(where, pattern, methods)
        for inline in _written_in_calls(tree, module.__name__):
            collected.setdefault((inline.pattern.pattern, inline.pattern.flags), inline)
    return sorted(collected.values(), key=lambda expression: expression.where)


def _modules() -> Iterator[Any]:
    for package in PACKAGES:
        root = importlib.import_module(package)
        yield root
        for found in pkgutil.walk_packages(root.__path__, f"{package}."):
            if not found.name.endswith("__main__"):
                yield importlib.import_module(found.name)


def _patterns_in(value: object, depth: int = 4) -> Iterator[re.Pattern[Any]]:
    if isinstance(value, re.Pattern):
        yield value
    elif depth:
        for item in _parts(value):
            yield from _patterns_in(item, depth - 1)


def _parts(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        return (*value, *value.values())
    if isinstance(value, (list, tuple, set, frozenset)):
        return value
    if is_dataclass(value) and not isinstance(value, type):
        return [getattr(value, each.name, None) for each in fields(value)]
    return ()


def _methods_of(tree: ast.Module, name: str) -> set[str]:
    """Return with which methods the module-level *name*, or what it holds, is called; all where with none."""
    names = {name, *_loop_names(tree, name)}
    used = {
        "search" if node.attr in _SEARCHES else node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in names
    }
    return (used & set(_METHODS)) or set(_METHODS)


def _loop_names(tree: ast.Module, name: str) -> Iterator[str]:
    """Yield the names that a loop over *name* gives to what it holds."""
    for node in ast.walk(tree):
        if (
            isinstance(node, (ast.For, ast.comprehension))
            and isinstance(node.iter, ast.Name)
            and node.iter.id == name
        ):
            yield from (part.id for part in ast.walk(node.target) if isinstance(part, ast.Name))


def _written_in_calls(tree: ast.Module, module: str) -> Iterator[Expression]:
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args):
            continue
        function, first = node.func, node.args[0]
        of_re = isinstance(function.value, ast.Name) and function.value.id == "re"
        if of_re and function.attr != "compile" and isinstance(first, ast.Constant):
            method = "search" if function.attr in _SEARCHES else function.attr
            yield Expression(f"{module}:{node.lineno}", re.compile(first.value), (method,))


# --- texts


def attacks(expression: Expression) -> Iterator[tuple[str, str]]:
    """Yield what to begin a text with and what to repeat, made from the expression's own parts."""
    tree = parser.parse(expression.pattern.pattern, expression.pattern.flags & ~re.DEBUG)
    made: dict[tuple[str, str], None] = {}
    for before, unit in _pumps(tree, ""):
        for repeated in (unit, before + unit, before[-1:] + unit, before):
            for begin in ("", before):
                if repeated:
                    made[begin, repeated] = None
    yield from made


def _pumps(tree: Any, before: str) -> Iterator[tuple[str, str]]:
    items = list(tree)
    for index, (op, argument) in enumerate(items):
        begin = before + _shortest(items[:index])
        for inner in _inner(op, argument):
            yield from _pumps(inner, begin)
        if op in _REPEATS and argument[1] > _UNBOUNDED:
            for unit in _units(argument[2]):
                yield begin, unit


def _units(body: Any) -> Iterator[str]:
    """Yield what one turn of a repetition may take: members of a set, each alternative."""
    items = list(body)
    if len(items) == 1:
        op, argument = items[0]
        if (members := _members(op, argument)) is not None:
            yield from members[:6]
            return
        for inner in _inner(op, argument):
            yield from _units(inner)
    yield _shortest(items)


def _inner(op: Any, argument: Any) -> list[Any]:
    if op in _REPEATS:
        return [argument[2]]
    if op is ops.SUBPATTERN:
        return [argument[-1]]
    if op is ops.BRANCH:
        return list(argument[1])
    return [argument] if op is ops.ATOMIC_GROUP else []


def _shortest(items: Any) -> str:
    """Return a short text that *items* match."""
    text = ""
    for op, argument in items:
        if (members := _members(op, argument)) is not None:
            text += members[0] if members else ""
        elif op in _REPEATS:
            text += _shortest(argument[2]) * argument[0]
        elif inner := _inner(op, argument):
            text += _shortest(inner[0])
    return text


def _members(op: Any, argument: Any) -> list[str] | None:
    """Return characters that a set matches; None for what is no set."""
    if op is ops.LITERAL:
        return [chr(argument)]
    if op is ops.ANY:
        return [letter for letter in _ALPHABET if letter != "\n"]
    if op not in (ops.IN, ops.NOT_LITERAL):
        return None
    return _matching(_source(op, argument))


@cache
def _matching(source: str) -> list[str]:
    single = re.compile(source)
    return [letter for letter in _ALPHABET if single.fullmatch(letter)]


def _source(op: Any, argument: Any) -> str:
    """Return a set's source."""
    if op is ops.NOT_LITERAL:
        return f"[^{re.escape(chr(argument))}]"
    names = {
        ops.CATEGORY_DIGIT: r"\d", ops.CATEGORY_NOT_DIGIT: r"\D", ops.CATEGORY_SPACE: r"\s",
        ops.CATEGORY_NOT_SPACE: r"\S", ops.CATEGORY_WORD: r"\w", ops.CATEGORY_NOT_WORD: r"\W",
    }  # fmt: skip
    source = ""
    for kind, value in argument:
        if kind is ops.NEGATE:
            source += "^"
        elif kind is ops.LITERAL:
            source += re.escape(chr(value))
        elif kind is ops.RANGE:
            source += f"{re.escape(chr(value[0]))}-{re.escape(chr(value[1]))}"
        else:
            source += names[value]
    return f"[{source}]"


# --- structure


def ambiguous_repetition(pattern: re.Pattern[Any]) -> str | None:
    """Return what a repetition could match in more than one way: the cause of exponential time; else None.

    Inside of a repetition, what varies in length must end where something begins that it cannot hold itself,
    and alternatives must begin with different characters.
    """
    return _ambiguous(parser.parse(pattern.pattern, pattern.flags & ~re.DEBUG))


def _ambiguous(tree: Any) -> str | None:
    for op, argument in tree:
        if op in _REPEATS and argument[1] > _UNBOUNDED and not _is_set(argument[2]):
            body = list(argument[2])
            found = _loose(body, _first(body))
            if found is not None:
                return found
        for inner in _inner(op, argument):
            if (found := _ambiguous(inner)) is not None:
                return found
    return None


def _is_set(body: Any) -> bool:
    items = list(body)
    return len(items) == 1 and _members(*items[0]) is not None


def _loose(items: list[Any], after: frozenset[str]) -> str | None:
    """Return what in *items*, followed by *after*, can end in more than one place."""
    for index, (op, argument) in enumerate(items):
        rest = items[index + 1 :]
        follow = _first(rest) | (after if _can_be_empty(rest) else frozenset())
        if op is ops.BRANCH:
            firsts = [_first(list(branch)) for branch in argument[1]]
            if sum(map(len, firsts)) > len(frozenset().union(*firsts)):
                return f"alternatives that begin alike: {firsts}"
        if op in (ops.MAX_REPEAT, ops.MIN_REPEAT) and argument[0] != argument[1]:
            inside = _first(list(argument[2]))
            if inside & follow:
                return f"a repetition of {sorted(inside)} before {sorted(follow)}"
            follow |= inside
        for inner in _inner(op, argument):
            if op is not ops.POSSESSIVE_REPEAT and (found := _loose(list(inner), follow)) is not None:
                return found
    return None


def _first(items: list[Any]) -> frozenset[str]:
    """Return the characters that *items* can begin with."""
    found: frozenset[str] = frozenset()
    for op, argument in items:
        members = _members(op, argument)
        if members is not None:
            return found | frozenset(members)
        if op in (ops.AT, ops.ASSERT, ops.ASSERT_NOT):
            continue
        for inner in _inner(op, argument):
            found |= _first(list(inner))
        if not _can_be_empty([(op, argument)]):
            return found
    return found


def _can_be_empty(items: list[Any]) -> bool:
    return all(_is_optional(op, argument) for op, argument in items)


def _is_optional(op: Any, argument: Any) -> bool:
    if op in (ops.AT, ops.ASSERT, ops.ASSERT_NOT):
        return True
    if op in _REPEATS:
        return argument[0] == 0 or _can_be_empty(list(argument[2]))
    inner = _inner(op, argument)
    return bool(inner) and any(_can_be_empty(list(each)) for each in inner)
