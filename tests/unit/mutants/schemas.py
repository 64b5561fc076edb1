"""A schema with one of everything that damage has to look at twice."""

from __future__ import annotations

from typing import Any

from expectations.profile_catalogue import Kind
from tasks.mutants.schema import Column, Index, Key, Schema, Sequence, Table


def column(name: str, kind: Kind, type_name: str, **more: Any) -> Column:
    facts = {"not_null": False, "written": True, "counted": False} | more
    return Column(name, type_name, kind, **facts)


def columns(*listed: Column) -> dict[str, Column]:
    return {one.name: one for one in listed}


CUSTOMERS = Table(
    schema="public",
    name="customers",
    rows=200,
    columns=columns(
        column("id", Kind.NUMBER, "int8", not_null=True, written=False, counted=True),
        column("email", Kind.TEXT, "text", not_null=True),
        column("balance", Kind.NUMBER, "numeric"),
        column("upper_email", Kind.TEXT, "text", written=False),
        column("extra", Kind.OTHER, "jsonb"),
    ),
    keys=(Key("customers_pkey", "p", ("id",)), Key("customers_email_key", "u", ("email",))),
    indexes=(
        Index("public", "customers_pkey", unique=True, of_key=True, columns=("id",)),
        Index("public", "customers_email_key", unique=True, of_key=True, columns=("email",)),
    ),
    sequences=(Sequence("public", "customers_id_seq", 1, 2**63 - 1, ascending=True),),
    family=frozenset({"public.customers"}),
)
ORDERS = Table(
    schema="public",
    name="Gift Orders",
    rows=3000,
    columns=columns(
        column("id", Kind.NUMBER, "int4", not_null=True, counted=True),
        column("customer_id", Kind.NUMBER, "int8", not_null=True),
        column("amount", Kind.NUMBER, "numeric", not_null=True),
        column("placed_at", Kind.TIME, "timestamptz", not_null=True),
        column("note", Kind.TEXT, "text"),
    ),
    keys=(
        Key("orders_pkey", "p", ("id",)),
        Key("orders_customer_fkey", "f", ("customer_id",), "public.customers", ("id",)),
    ),
    indexes=(
        Index("public", "orders_pkey", unique=True, of_key=True, columns=("id",)),
        Index("public", "orders_placed", unique=False, of_key=False, columns=("placed_at",)),
    ),
    triggers=("touch",),
    family=frozenset({"public.Gift Orders"}),
)
EVENTS = Table(
    schema="public",
    name="events",
    rows=900,
    columns=columns(
        column("customer_id", Kind.NUMBER, "int8"),
        column("at", Kind.TIME, "date", not_null=True),
        column("kind", Kind.ENUM, "event_kind"),
    ),
    partitioned=True,
    family=frozenset({"public.events", "public.events_1", "public.events_2", "public.events_3"}),
    leaves=("public.events_1", "public.events_2", "public.events_3"),
    partitioned_by=frozenset({"at"}),
)
SHOP = Schema({table.full_name: table for table in (CUSTOMERS, ORDERS, EVENTS)})
