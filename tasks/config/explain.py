"""What pydantic found, in words that name the remedy; a wrong value is shown unless it could be a secret."""

from __future__ import annotations

import difflib
import types
import typing
from collections import defaultdict
from collections.abc import Iterator

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from tasks.config.secrets import is_secret_key, secret_in
from tasks.config.yaml_source import KeyPath, Problem, render
from tasks.model.by_kind import KEY, kind_of

_SHOWN = 80
_UNKNOWN_KINDS = frozenset({"union_tag_invalid", "union_tag_not_found"})
_KEYS_OF_SECRETS = frozenset({"decrypt", "external_id"})
"""Below these keys somebody may have written a key or passphrase where a reference to one belongs."""


def explain(error: ValidationError, model: type[BaseModel]) -> list[Problem]:
    """Return the problems of *error*, their paths in the data; a union's alternatives make one problem."""
    grouped: dict[KeyPath, list[ErrorDetails]] = defaultdict(list)
    for details in error.errors():
        grouped[_data_path(details, model)].append(details)
    return [_problem(path, errors, model) for path, errors in grouped.items() if not _shadowed(path, grouped)]


def key_paths(model: type[BaseModel], above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield every key of the schema below *model*; `*` stands for a name that the user chooses."""
    for name, field in model.model_fields.items():
        yield (*above, name)
        for inner, free in _inner_models(field.annotation):
            yield from key_paths(inner, (*above, name, *(("*",) if free else ())))


def shown(value: object) -> str:
    """Return *value* for a message: short, quoted, never a secret, never a whole mapping."""
    if value is None:
        return "null"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, (list, tuple)):
        return "a list"
    text = str(value)
    if secret_in(text):
        return "this value"
    return f'"{text[:_SHOWN]}{"..." if len(text) > _SHOWN else ""}"'


def unknown_key(key: str, model: type[BaseModel], loc: tuple[str | int, ...]) -> str:
    """Return what to say of a key that nobody reads: whose it is, the nearest one, or where it belongs.

    Args:
        loc: where it stands below *model*, as pydantic says it.
    """
    path, annotation, kinds = _walk(loc, model)
    owner = next(_models(annotation), None)
    other = next((kind for kind, sibling in kinds.items() if key in sibling.model_fields), None)
    if owner is not None and other is not None:
        return (
            f"a key of kind: {other}, and this is kind: {kind_of(owner)}; take it out, or write kind: {other}"
        )
    keys = tuple(owner.model_fields) if owner else ()
    near = difflib.get_close_matches(key, keys, 1, cutoff=0.7)
    if near:
        return f'unknown key; did you mean "{near[0]}"?'
    homes = [p[:-1] for p in key_paths(model) if p[-1] == key and p[:-1] != path]
    if homes:
        return (
            f'unknown key here; "{key}" belongs under "{render(homes[0])}"'
            if homes[0]
            else f'unknown key here; "{key}" belongs one level up'
        )
    return f"unknown key; known here: {', '.join(keys)}"


def _data_path(details: ErrorDetails, model: type[BaseModel]) -> KeyPath:
    """Return the error's path without pydantic's names for a union's members."""
    loc = details["loc"]
    if details["type"] == "extra_forbidden":
        return (*_walk(loc[:-1], model)[0], loc[-1])
    path = _walk(loc, model)[0]
    return (*path, KEY) if details["type"] in _UNKNOWN_KINDS else path


def _walk(
    loc: tuple[str | int, ...], model: type[BaseModel]
) -> tuple[KeyPath, object, dict[str, type[BaseModel]]]:
    """Return *loc* without the names of a union's members, the annotation of what stands there, its siblings.

    The siblings are the classes of its other kinds, where its kind is told.
    """
    path: KeyPath = ()
    annotation: object = model
    kinds: dict[str, type[BaseModel]] = {}
    for part in loc:
        members = _kinds(annotation)
        if part in members:
            annotation = members.pop(str(part))
            kinds = members
        elif (step := _step(annotation, part)) is not None:
            path, annotation, kinds = (*path, part), step, {}
    return path, annotation, kinds


def _kinds(annotation: object) -> dict[str, type[BaseModel]]:
    """Return the classes of an annotation that are told apart by their kind."""
    return {kind: model for model in _models(annotation) if (kind := kind_of(model)) is not None}


def _models(annotation: object) -> Iterator[type[BaseModel]]:
    return (
        option
        for option in _options(annotation)
        if isinstance(option, type) and issubclass(option, BaseModel)
    )


def _step(annotation: object, part: str | int) -> object:
    """Return the annotation of *part* below *annotation*, or None where it is no key of it."""
    for option in _options(annotation):
        if isinstance(option, type) and issubclass(option, BaseModel):
            if part in option.model_fields:
                return option.model_fields[str(part)].annotation
            continue
        origin, arguments = typing.get_origin(option), typing.get_args(option)
        if origin is dict and isinstance(part, str) and part != "[key]":
            return arguments[1]
        if origin in (tuple, list) and isinstance(part, int):
            return arguments[0]
    return None


def _options(annotation: object) -> Iterator[object]:
    """Yield the alternatives of an annotation, unwrapped."""
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        yield from _options(typing.get_args(annotation)[0])
    elif origin in (typing.Union, types.UnionType):
        for argument in typing.get_args(annotation):
            yield from _options(argument)
    else:
        yield annotation


def _inner_models(annotation: object) -> Iterator[tuple[type[BaseModel], bool]]:
    """Yield the models below an annotation, and whether names that the user chooses stand between."""
    for option in _options(annotation):
        if isinstance(option, type) and issubclass(option, BaseModel):
            yield option, False
        origin, arguments = typing.get_origin(option), typing.get_args(option)
        if origin in (dict, tuple, list):
            items = arguments[1] if origin is dict else arguments[0]
            yield from ((inner, True) for inner, _ in _inner_models(items))


def _shadowed(path: KeyPath, grouped: dict[KeyPath, list[ErrorDetails]]) -> bool:
    """A union's alternative that got further says more: of `ignore | {rows_drop}`, the wrong `rows_drop`."""
    return any(len(other) > len(path) and other[: len(path)] == path for other in grouped)


def _problem(path: KeyPath, errors: list[ErrorDetails], model: type[BaseModel]) -> Problem:
    if errors[0]["type"] == "extra_forbidden" and is_secret_key(str(path[-1])):
        # Told of the section around it: what masks our output would take `secret: unknown` for a secret.
        text = (
            f'no key here: "{path[-1]}"; secrets are never written in a fleet file: credentials come from '
            "the environment, an AWS profile or the machine's role"
        )
        return Problem(path[:-1], text)
    return Problem(path, _message(path, errors, model))


def _message(path: KeyPath, errors: list[ErrorDetails], model: type[BaseModel]) -> str:
    first = errors[0]
    if first["type"] == "extra_forbidden":
        return unknown_key(str(path[-1]), model, first["loc"][:-1])
    if first["type"] == "missing":
        return "missing; write it"
    if first["type"] in _UNKNOWN_KINDS:
        return _unknown_kind(first, model)
    value = first["input"]
    if value is None:
        return f"null is no value of this key; leave the key out, or write {_wanted(errors)}"
    reason = next((str(error["ctx"]["error"]) for error in errors if error["type"] == "value_error"), None)
    other_errors = [error for error in errors if error["type"] != "value_error"]
    if reason:
        return f"{reason}; or write {_wanted(other_errors)}" if other_errors else reason
    subject = "this value" if _KEYS_OF_SECRETS & set(path) else shown(value)
    return f"{subject} is not valid; write {_wanted(errors)}"


def _unknown_kind(details: ErrorDetails, model: type[BaseModel]) -> str:
    kinds = " or ".join(_kinds(_walk(details["loc"], model)[1]))
    value = details["input"][KEY]
    if value is None:
        return f"null is no value of this key; leave the key out, or write {kinds}"
    return f"{shown(value)} is not known; write {kinds}"


def _wanted(errors: list[ErrorDetails]) -> str:
    return " or ".join(dict.fromkeys(_phrase(error) for error in errors))


def _phrase(error: ErrorDetails) -> str:
    kind, context = error["type"], error.get("ctx", {})
    if kind == "literal_error":
        return str(context["expected"]).replace("'", "")
    if kind in _PHRASES:
        return _PHRASES[kind].format(**context)
    if kind == "value_error":
        return _of_value_error(str(context["error"]))
    return str(error["msg"])


def _of_value_error(text: str) -> str:
    _, write, remedy = text.partition("write ")
    return remedy if write else text


_PHRASES = {
    "int_parsing": "a whole number",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "greater_than_equal": "a number of at least {ge}",
    "greater_than": "a number above {gt}",
    "less_than_equal": "a number of at most {le}",
    "string_type": "text, in quotes if it looks like a number",
    "string_too_short": "some text",
    "path_type": "a path",
    "dict_type": "a mapping: keys, each with its value, indented below",
    "model_type": "a mapping: keys, each with its value, indented below",
    "model_attributes_type": "a mapping: keys, each with its value, indented below",
    "list_type": "a list: [first, second], or one `- item` a line",
    "tuple_type": "a list: [first, second], or one `- item` a line",
    "too_short": "a list with at least one entry",
    "date_type": "a date such as 2026-12-31",
    "date_parsing": "a date such as 2026-12-31",
    "date_from_datetime_parsing": "a date such as 2026-12-31",
    "date_from_datetime_inexact": "a date such as 2026-12-31",
}
