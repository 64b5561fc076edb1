"""An expectation's kwargs, as they stand in a file: what GX would take and judge nothing by is refused here.

Decision: whatever makes an expectation hold for every table is a mistake of whoever wrote it, and is named
when the suite is loaded: an empty set, a share of 0, an infinite bound, a condition that is no condition.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from expectations import vocabulary
from expectations.problems import Problems
from expectations.suite import Parameter, RelativeTime
from expectations.times import PARAMETERS, is_dynamic, parse_dynamic
from expectations.yaml_text import KeyPath, as_mapping

_DYNAMIC_KEYS = ("min_value", "max_value", "value", "sum_total", "threshold", "value_set", "row_condition")
_SETS = ("value_set", "value_pairs_set", "column_set", "column_list", "type_list", "regex_list")
_LISTS = (*_SETS, "like_pattern_list")
_GX_PARAMETER = "$PARAMETER"
_NAME = re.compile(r"\w+", re.ASCII)
_TIMES_A_NUMBER = re.compile(r"(\w+) *\* *([0-9.]+)", re.ASCII)
_REFUSED = object()  # stands for a value that a problem has been told of
_GX_CONDITIONS = (None, "great_expectations", "great_expectations__experimental__")


@dataclass(slots=True)
class Kwargs:
    """Reads the kwargs of one suite's expectations.

    Attributes:
        parameters: values that the suite itself gives to GX's `$PARAMETER`.
    """

    problems: Problems
    parameters: Mapping[str, object] = field(default_factory=dict)

    def read(self, known: vocabulary.ExpectationType, written: object, path: KeyPath) -> dict[str, object]:
        """Return the kwargs *written* for an expectation of the type *known*."""
        kwargs = as_mapping({} if written is None else written)
        if kwargs is None:
            self.problems.add("kwargs is no mapping", "write name: value pairs", path, written)
            return {}
        kwargs = {key: self._substituted(value, (*path, key)) for key, value in kwargs.items()}
        self._names(kwargs, known, path)
        self._bounds(kwargs, known, path)
        self._condition(kwargs, path)
        self._quantiles(kwargs, path)
        read = {key: self._value(key, value, (*path, key)) for key, value in kwargs.items()}
        self._newest(read, path)
        return read

    def _names(
        self, kwargs: Mapping[str, object], expectation_type: vocabulary.ExpectationType, path: KeyPath
    ) -> None:
        for key in kwargs:
            if key not in expectation_type.known:
                near = vocabulary.nearest(key, list(expectation_type.known))
                meant = f"did you mean {near}?" if near else f"it knows {', '.join(expectation_type.known)}"
                self.problems.add(f'{expectation_type.name} has no kwarg "{key}"', meant, (*path, key))
        for key in expectation_type.needed:
            if kwargs.get(key) is None:
                self.problems.add(f'{expectation_type.name} needs the kwarg "{key}"', f"add {key}:", path)

    def _bounds(
        self, kwargs: Mapping[str, object], expectation_type: vocabulary.ExpectationType, path: KeyPath
    ) -> None:
        if (
            not {"min_value", "max_value"} <= set(expectation_type.known)
            or "partition_object" in expectation_type.known
        ):
            return
        low, high = kwargs.get("min_value"), kwargs.get("max_value")
        if low is None and high is None:
            self.problems.add(
                f"{expectation_type.name} has no bound", "give min_value, max_value or both", path
            )
        elif isinstance(low, (int, float)) and isinstance(high, (int, float)) and low > high:
            self.problems.add("min_value is above max_value", "exchange them", path, f"{low} > {high}")

    def _condition(self, kwargs: Mapping[str, object], path: KeyPath) -> None:
        condition, parser = kwargs.get("row_condition"), kwargs.get("condition_parser")
        if condition is not None and not (isinstance(condition, (str, dict)) and str(condition).strip()):
            remedy = "write SQL, such as status = 'paid', or leave it out"
            self.problems.add("row_condition is no condition", remedy, (*path, "row_condition"), condition)
        if parser not in _GX_CONDITIONS:
            remedy = 'write SQL or GX\'s col("name") == 1, and leave condition_parser out'
            self.problems.add(
                "conditions of this parser are not PostgreSQL's", remedy, (*path, "condition_parser"), parser
            )

    def _quantiles(self, kwargs: Mapping[str, object], path: KeyPath) -> None:
        ranges = as_mapping(kwargs.get("quantile_ranges"))
        if ranges is None:
            return
        place = (*path, "quantile_ranges")
        quantiles, bounds = ranges.get("quantiles"), ranges.get("value_ranges")
        if not (isinstance(quantiles, list) and isinstance(bounds, list) and quantiles):
            self.problems.add("quantile_ranges is empty", "write quantiles and value_ranges", place)
        elif len(quantiles) != len(bounds) or any(not _is_range(bound) for bound in bounds):
            remedy = "give each quantile a [lower, upper], at least one of them a number"
            self.problems.add("the quantiles and their value_ranges do not fit", remedy, place)

    def _newest(self, read: Mapping[str, object], path: KeyPath) -> None:
        """`newest_row` is of the expectation's own column, and of all its rows."""
        values = (read.get("min_value"), read.get("max_value"))
        if not any(isinstance(value, Parameter) and value.name == "newest_row" for value in values):
            return
        if not isinstance(read.get("column"), str):
            remedy = "use it in an expectation about a column of times"
            self.problems.add("newest_row is of a column, and none is named", remedy, path)
        if read.get("row_condition") is not None:
            remedy = "leave row_condition out, or write {as_of: -26h}"
            self.problems.add("newest_row is of all rows, and a condition selects some", remedy, path)

    def _value(self, key: str, value: object, path: KeyPath) -> object:
        if value is _REFUSED:
            return None
        if is_dynamic(value):
            return self._dynamic(key, value, path)
        kind = vocabulary.kind_error(key, value)
        if kind is not None:
            self._wrong_kind(key, value, kind, path)
        elif key == "mostly" and value == 0:
            remedy = "write the share of rows that must comply, or drop the expectation"
            self.problems.add("mostly is 0: no row has to comply", remedy, path)
        elif isinstance(value, float) and not math.isfinite(value):
            self.problems.add(f"{key or 'the value'} is no number that bounds anything", "leave it out", path)
        if key in _LISTS and isinstance(value, list):
            self._members(key, value, path)
        if isinstance(value, list):
            return [self._value("", member, (*path, index)) for index, member in enumerate(value)]
        if isinstance(value, dict):
            return {str(name): self._value("", member, (*path, name)) for name, member in value.items()}
        return value

    def _wrong_kind(self, key: str, value: object, kind: str, path: KeyPath) -> None:
        keys = as_mapping(value)
        near = (
            vocabulary.nearest(next(iter(keys)), ["as_of", "param"])
            if keys and key in _DYNAMIC_KEYS
            else None
        )
        remedy = f"did you mean {{{near}: ...}}?" if near else f"write {kind}"
        self.problems.add(f"{key} is not {kind}", remedy, path, value)

    def _members(self, key: str, members: list[object], path: KeyPath) -> None:
        if not members:
            what = f"{key} is empty: nothing is compared"
            self.problems.add(what, "list at least one member, or drop the expectation", path)
        nulls = [
            at
            for at, member in enumerate(members)
            if member is None or (isinstance(member, list) and None in member)
        ]
        if nulls:
            remedy = "take it out; expect_column_values_to_not_be_null is about nulls"
            self.problems.add(f"{key} holds null, which equals nothing", remedy, (*path, nulls[0]))

    def _dynamic(self, key: str, value: object, path: KeyPath) -> RelativeTime | Parameter | None:
        if key and key not in _DYNAMIC_KEYS:
            self.problems.add(f"{key} takes no relative value", f"write the {key} itself", path, value)
            return None
        try:
            return parse_dynamic(as_mapping(value) or {})
        except ValueError as error:
            what, _, remedy = str(error).partition("; ")
            self.problems.add(what, remedy or "write {as_of: -26h} or {param: last_rows}", path)
            return None

    # --- GX's own parameters

    def _substituted(self, value: object, path: KeyPath) -> object:
        """Return *value* with what the suite itself says in place of each `$PARAMETER`."""
        if isinstance(value, list):
            return [self._substituted(member, (*path, index)) for index, member in enumerate(value)]
        if not isinstance(value, dict):
            return value
        if _GX_PARAMETER not in value:
            return {name: self._substituted(member, (*path, name)) for name, member in value.items()}
        return self._parameter(value, path)

    def _parameter(self, value: Mapping[str, object], path: KeyPath) -> object:
        name = value[_GX_PARAMETER]
        inline = f"{_GX_PARAMETER}.{name}"
        more = [key for key in value if key not in {_GX_PARAMETER, inline}]
        if more:
            self.problems.add(f'unknown key "{more[0]}"', f"known: {_GX_PARAMETER}", (*path, more[0]))
        elif isinstance(name, str) and name in self.parameters:
            return self.parameters[name]
        elif inline in value:
            return value[inline]
        elif name in PARAMETERS:
            return {_GX_PARAMETER: name}
        else:
            self._unknown_parameter(name, path)
        return _REFUSED

    def _unknown_parameter(self, name: object, path: KeyPath) -> None:
        text = str(name)
        names = [*self.parameters, *PARAMETERS]
        product = _TIMES_A_NUMBER.fullmatch(text)
        if not isinstance(name, str) or not _NAME.fullmatch(text):
            what, remedy = (
                f'"{text[:80]}" is an expression, and only names are read',
                "write the value itself",
            )
            if product is not None and product[1] in PARAMETERS:
                remedy = f"write {{param: {product[1]}, times: {product[2]}}}"
            elif "now" in text or "date" in text:
                remedy = "write {as_of: -26h} for a time before the moment of judgement"
            self.problems.add(what, remedy, path)
            return
        near = vocabulary.nearest(text, names, 0.6)
        meant = (
            f"did you mean {near}?"
            if near
            else f"give it under suite_parameters, or use {', '.join(PARAMETERS)}"
        )
        self.problems.add(f'nothing sets the parameter "{text}"', meant, path)


def _is_range(bound: object) -> bool:
    if not isinstance(bound, list) or len(bound) != 2:  # noqa: PLR2004  lower and upper
        return False
    return any(isinstance(limit, (int, float)) and not isinstance(limit, bool) for limit in bound)
