"""Great Expectations' validator on an engine that asks for all aggregates of a table in one statement.

Decisions, measured (`python -m bench --only validate`):
- GX resolves its metrics level by level, and every level that holds an aggregate scans the table again. An
  aggregate here waits until nothing else can be resolved, so that all of them share one scan; a sample of no
  rows is not asked for. How it is judged stays GX's.
- The validator stands on the execution engine alone. A data context would add a project written as YAML three
  times and two further connections for each table, and gives nothing that a throwaway table needs.

Imports GX: seconds. `expectations.engine` imports this module when it is used.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy
from great_expectations.core.batch import Batch, BatchMarkers, LegacyBatchDefinition
from great_expectations.core.batch_spec import BatchSpec, RuntimeQueryBatchSpec, SqlAlchemyDatasourceBatchSpec
from great_expectations.core.id_dict import IDDict
from great_expectations.execution_engine import SqlAlchemyExecutionEngine
from great_expectations.execution_engine.sqlalchemy_batch_data import SqlAlchemyBatchData
from great_expectations.expectations.registry import get_metric_provider
from great_expectations.validator.validator import Validator

MOST_COLUMNS = 800
"""Aggregates in one statement: PostgreSQL allows 1,664 columns."""


class OneScanEngine(SqlAlchemyExecutionEngine):  # type: ignore[misc]  # GX is untyped here
    """Resolves aggregates last, together."""

    def resolve_metrics(
        self,
        metrics_to_resolve: Iterable[Any],
        metrics: dict[Any, Any] | None = None,
        runtime_configuration: dict[str, Any] | None = None,
    ) -> dict[Any, Any]:
        """Resolve what is no aggregate, or else all aggregates; GX asks again for what is missing."""
        ready = list(metrics_to_resolve)
        empty: dict[Any, Any] = {metric.id: [] for metric in ready if _is_empty_sample(metric)}
        if empty:
            return empty
        first = [metric for metric in ready if not self._is_aggregate(metric)]
        return dict(super().resolve_metrics(first or ready, metrics, runtime_configuration))

    def resolve_metric_bundle(self, metric_fn_bundle: Iterable[Any]) -> dict[Any, Any]:
        """Resolve aggregates in as few statements as PostgreSQL allows."""
        bundle = list(metric_fn_bundle)
        resolved: dict[Any, Any] = {}
        for start in range(0, len(bundle), MOST_COLUMNS):
            resolved |= super().resolve_metric_bundle(bundle[start : start + MOST_COLUMNS])
        return resolved

    def close(self) -> None:
        """Leave the connections to the run: GX closes them all when a table's engine is collected."""

    def _is_aggregate(self, metric: Any) -> bool:  # noqa: ANN401  GX's MetricConfiguration
        return get_metric_provider(metric.metric_name, self)[1] is None


class _OtherType(sqlalchemy.types.NullType):
    """A type that SQLAlchemy has no class for; GX reads such a column as text or not at all."""

    def __init__(self, *_: object, **__: object) -> None:
        super().__init__()


def know_types(engine: sqlalchemy.Engine, names: Collection[str]) -> None:
    """Tell *engine* of types outside of pg_catalog, which it else warns of at each table that has one."""
    types: dict[str, Any] = dict(engine.dialect.ischema_names)  # type: ignore[attr-defined]  # PostgreSQL's
    more = {name.lower(): types.get(name.rpartition(".")[2], _OtherType) for name in names}
    engine.dialect.ischema_names = {**types, **more}  # type: ignore[attr-defined]


def _is_empty_sample(metric: Any) -> bool:  # noqa: ANN401  GX's MetricConfiguration
    """Say whether *metric* is a sample of no rows, for which GX sends a query with LIMIT 0."""
    result_format = metric.metric_value_kwargs.get("result_format") or {}
    return (
        metric.metric_name.endswith(".unexpected_values")
        and result_format.get("partial_unexpected_count") == 0
    )


def judge_table(
    engine: sqlalchemy.Engine,
    schema: str,
    table: str,
    expectations: Sequence[Any],
    result_format: Mapping[str, Any],
) -> list[dict[str, Any]]:
    """Return GX's result documents for *expectations* on a table, in GX's order."""
    spec = SqlAlchemyDatasourceBatchSpec(
        type="table",
        data_asset_name="table",
        table_name=sqlalchemy.quoted_name(table, quote=True),
        schema_name=sqlalchemy.quoted_name(schema, quote=True),
        batch_identifiers={},
    )
    execution = OneScanEngine(engine=engine, create_temp_table=False)
    data, _ = execution.get_batch_data_and_markers(batch_spec=spec)
    return _judge(execution, spec, data, expectations, result_format)


def judge_query(
    engine: sqlalchemy.Engine, query: str, expectations: Sequence[Any], result_format: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Return GX's result documents for *expectations* on the rows of *query*, in GX's order."""
    spec = RuntimeQueryBatchSpec(
        data_asset_name="rows", query=query, temp_table_schema_name=None, batch_identifiers={}
    )
    execution = OneScanEngine(engine=engine, create_temp_table=False)
    # GX would compile the query first, which doubles each % in it: '50%' then finds no row.
    data = SqlAlchemyBatchData(execution_engine=execution, query=query, create_temp_table=False)
    return _judge(execution, spec, data, expectations, result_format)


def _judge(
    execution: OneScanEngine,
    spec: BatchSpec,
    data: SqlAlchemyBatchData,
    expectations: Sequence[Any],
    result_format: Mapping[str, Any],
) -> list[dict[str, Any]]:
    place = LegacyBatchDefinition(
        datasource_name="sandbox",
        data_connector_name="drill",
        data_asset_name=spec["data_asset_name"],
        batch_identifiers=IDDict(),
    )
    batch = Batch(
        data=data, batch_spec=spec, batch_markers=BatchMarkers(ge_load_time=""), batch_definition=place
    )
    validator = Validator(execution_engine=execution, batches=[batch])
    validator.metrics_calculator.show_progress_bars = False
    results = validator.graph_validate(
        configurations=[expectation.configuration for expectation in expectations],
        runtime_configuration={"result_format": dict(result_format)},
    )
    return [item.to_json_dict() for item in results]
