"""A section of the fleet file that is told apart by its `kind`: a class for each, one of them the default.

A kind is added by naming its class in the section's union. The machinery is the same for one class as for
many, so that a key of another kind is an error of this one and never a guess.
"""

from __future__ import annotations

import typing
from typing import cast

from pydantic import BaseModel, GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

KEY = "kind"


class ByKind:
    """Beside a class or a union of classes in `Annotated`: the value's `kind` names the one that reads it.

    Args:
        default: the kind of a value that names none.
    """

    def __init__(self, default: str) -> None:
        self._default = default

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Return the schema: pydantic's tagged union, also of a single class."""
        models = typing.get_args(source) or (cast("type[BaseModel]", source),)
        choices = {kind_of(model): handler.generate_schema(model) for model in models}
        return core_schema.tagged_union_schema(choices, discriminator=self._kind)

    def _kind(self, value: object) -> str | None:
        kind = (
            value.get(KEY, self._default) if isinstance(value, dict) else getattr(value, KEY, self._default)
        )
        return kind if isinstance(kind, str) else None


def kind_of(model: type[BaseModel]) -> str | None:
    """Return the kind that *model* is the class of; None where it is told apart by nothing."""
    field = model.model_fields.get(KEY)
    return field.default if field is not None and isinstance(field.default, str) else None
