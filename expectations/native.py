"""Suites that Great Expectations wrote itself, of its releases 1.x and 0.x, brought into one shape.

Decision: 0.x is read, by the names that 1.x gave the same things. What has no meaning for a drill (ids of
GX's cloud, how results are to be formatted) is left out; what would change a judgement and is not there any
more is refused by name, as an unknown kwarg.
"""

from __future__ import annotations

from collections.abc import Mapping

from expectations.problems import Problems
from expectations.yaml_text import as_mapping

_RENAMED = {
    "expectation_suite_name": "name",
    "evaluation_parameters": "suite_parameters",
    "ge_cloud_id": "id",
}
_RENAMED_IN_EXPECTATIONS = {"expectation_type": "type", "ge_cloud_id": "id", "expectation_context": "notes"}
_KEYS = ("name", "expectations", "meta", "notes", "id", "suite_parameters")
_WITHOUT_MEANING = ("data_asset_type", "execution_engine_type")
# How a result is written down is ours to say; a batch is what is restored.
_KWARGS_WITHOUT_MEANING = ("batch_id", "result_format", "include_config", "catch_exceptions", "meta")
_PROFILER = ("auto", "profiler_config")


def modern(top: Mapping[str, object], problems: Problems) -> dict[str, object]:
    """Return a native suite's *top* with the keys of GX 1.x; what cannot be brought there is a problem."""
    suite = {
        _RENAMED.get(key, key): value
        for key, value in top.items()
        if not (key in _WITHOUT_MEANING and value is None)
    }
    for key in suite:
        if key not in _KEYS:
            problems.add(f'unknown key "{key}"', f"known: {', '.join(_KEYS)}", (key,))
    entries = suite.get("expectations")
    if isinstance(entries, list):
        suite["expectations"] = [_modern(entry, at, problems) for at, entry in enumerate(entries)]
    return suite


def _modern(entry: object, at: int, problems: Problems) -> object:
    written = as_mapping(entry)
    if written is None:
        return entry
    expectation = {_RENAMED_IN_EXPECTATIONS.get(key, key): value for key, value in written.items()}
    kwargs = as_mapping(expectation.get("kwargs"))
    if kwargs is not None:
        expectation["kwargs"] = _kwargs(kwargs, at, problems)
    return expectation


def _kwargs(kwargs: Mapping[str, object], at: int, problems: Problems) -> dict[str, object]:
    if kwargs.get("auto") is True:
        remedy = "write the bounds out: GX 0.x computed them anew from the data that it judged"
        problems.add("auto bounds hold for any data", remedy, ("expectations", at, "kwargs", "auto"))
    left_out = (*_KWARGS_WITHOUT_MEANING, *_PROFILER)
    return {key: value for key, value in kwargs.items() if key not in left_out}
