"""The loader: one fleet file in, resolved targets out, or every problem of the file at once."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from tasks.config import resolve
from tasks.config.explain import explain, shown
from tasks.config.merge import SECTIONS, deep_merge, long_forms
from tasks.config.schema import Fleet, FleetFile, Schedule
from tasks.config.secrets import find_secrets
from tasks.config.sense import endless, senseless
from tasks.config.yaml_source import Document, KeyPath, Problem, invalid, read_yaml
from tasks.model.clock import utc_now
from tasks.model.target import Database, Target

Model = TypeVar("Model", bound=BaseModel)
_DNS_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")
_TOP_SECTIONS = SECTIONS | {"defaults", "schedules"}


def load_fleet(path: Path | str, *, today: date | None = None) -> Fleet:
    """Return the fleet that the file *path* describes.

    Args:
        today: against which `accept` entries are dated; the worker's UTC date when None.

    Raises:
        ConfigInvalid: the file cannot be read or used; every problem is listed, one a line, as
            `file:line: path: fact; remedy`.
    """
    document = read_yaml(Path(path), str(path))
    keys = _mapping(document)
    secrets = list(find_secrets(keys))
    problems: list[Problem] = []
    today = today or utc_now().date()
    file = _fleet_file(keys, today, problems)
    databases = [
        _database(keys, i, document, today, problems)
        for i, own in enumerate(_databases(keys))
        if isinstance(own, dict)
    ]
    _check_names(keys, problems)
    if secrets or problems or file is None:
        places = {secret.path for secret in secrets}  # what else is wrong with a secret could repeat it
        raise invalid(str(path), [*secrets, *(p for p in problems if p.path not in places)], document)
    return _fleet(document, file, [database for database in databases if database])


def _mapping(document: Document) -> dict[str, Any]:
    keys = document.data
    if not isinstance(keys, dict):
        problem = Problem(
            (), f"a fleet file is a mapping of keys, this is {shown(keys)}; begin with version: 1", 1
        )
        raise invalid(str(document.path), [problem])
    return {key: value for key, value in keys.items() if value is not None or key not in _TOP_SECTIONS}


def _fleet_file(keys: dict[str, Any], today: date, problems: list[Problem]) -> FleetFile | None:
    file = _validated(FleetFile, keys, problems)
    if file is None:
        return None
    if file.schedule and file.schedules:
        problems.append(Problem(("schedules",), "both schedule and schedules are named; keep one of them"))
    names = [schedule.name for schedule in file.schedules]
    for i, schedule in enumerate(file.schedules):
        if schedule.name in names[:i]:
            problems.append(
                Problem(
                    ("schedules", i, "name"), f'"{schedule.name}" is taken; give each schedule its own name'
                )
            )
    if file.report_url and not file.report_url.startswith(("http://", "https://")):
        problems.append(
            Problem(("report_url",), f"{shown(file.report_url)} is no web address; write https://...")
        )
    resolve.evidence(file.evidence, Path("/"), problems)
    problems += endless(file.exempt, today)
    return file


def _databases(keys: dict[str, Any]) -> list[Any]:
    databases = keys.get("databases")
    return databases if isinstance(databases, list) else []


def _database(
    keys: dict[str, Any], index: int, document: Document, today: date, problems: list[Problem]
) -> Database | None:
    """Return the database *index*, defaults merged in; what is wrong with it goes to *problems*."""
    own = keys["databases"][index]
    trees: tuple[tuple[KeyPath, Any], ...] = (
        (("databases", index), own),
        (("defaults",), keys.get("defaults")),
        ((), {"store": keys.get("store")}),
    )
    merged = _merged(trees)
    own_problems: list[Problem] = []
    merged = resolve.resolved(merged, str(keys.get("fleet")), document.path.resolve().parent, own_problems)
    database = _validated(Database, merged, own_problems)
    if database and not own_problems:
        own_problems += senseless(database, today)
    problems += [Problem(_place(problem.path, trees), problem.message) for problem in own_problems]
    return database


def _merged(trees: tuple[tuple[KeyPath, Any], ...]) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for _, tree in reversed(trees):
        if isinstance(tree, dict):
            merged = deep_merge(merged, long_forms(tree))
    return merged


def _place(path: KeyPath, trees: tuple[tuple[KeyPath, Any], ...]) -> KeyPath:
    """Return where the merged value at *path* was written: by the database, else by the defaults."""
    for above, tree in trees:
        inner = _within(tree, path)
        if inner:
            return (*above, *inner)
    return (*trees[0][0], *path)


def _within(tree: object, path: KeyPath) -> KeyPath:
    """Return *path*, cut where *tree* holds a plain value instead of more keys; () where it is not there."""
    for depth, part in enumerate(path):
        if isinstance(tree, dict) and part in tree:
            tree = tree[part]
        elif isinstance(tree, list) and isinstance(part, int):
            tree = tree[part]  # pydantic counted the same list
        else:
            return path[:depth] if depth and not isinstance(tree, (dict, list)) and tree is not None else ()
    return path


def _validated(model: type[Model], data: object, problems: list[Problem]) -> Model | None:
    try:
        return model.model_validate(data)
    except ValidationError as exc:
        problems += explain(exc, model)
    return None


def _check_names(keys: dict[str, Any], problems: list[Problem]) -> None:
    fleet = keys.get("fleet")
    if isinstance(fleet, str) and not _DNS_LABEL.fullmatch(fleet):
        remedy = re.sub(r"[^a-z0-9]+", "-", fleet.lower()).strip("-")[:63] or "shop"
        problems.append(Problem(("fleet",), f"{shown(fleet)} is not a DNS label; write {remedy}"))
    first_of: dict[str, int] = {}
    for i, own in enumerate(_databases(keys)):
        name = own.get("name") if isinstance(own, dict) else None
        if not isinstance(name, str):
            continue
        if not _NAME.fullmatch(name):
            remedy = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("._-")[:63] or "orders"
            problem = (
                f"{shown(name)} cannot be a name here; write {remedy}, and the real one as backup.database"
            )
            problems.append(Problem(("databases", i, "name"), problem))
        if name in first_of:
            problem = f'"{name}" is databases[{first_of[name]}] already; give each database its own name'
            problems.append(Problem(("databases", i, "name"), problem))
        first_of.setdefault(name, i)
    if isinstance(keys.get("defaults"), dict) and "name" in keys["defaults"]:
        problems.append(Problem(("defaults", "name"), "each database has its own name; take this line out"))


def _fleet(document: Document, file: FleetFile, databases: list[Database]) -> Fleet:
    path = document.path.resolve()
    evidence = resolve.evidence(file.evidence, path.parent, [])
    names = tuple(dict.fromkeys(n for d in databases for n in (d.name, *d.backup.names) if n))
    return Fleet(
        name=file.fleet,
        targets=tuple(
            Target.model_construct(
                **{name: getattr(database, name) for name in Database.model_fields},
                fleet=file.fleet,
                evidence=evidence,
                report_url=file.report_url,
                fleet_file=path,
                fleet_sha256=document.sha256,
                fleet_databases=names,
            )
            for database in databases
        ),
        schedules=_schedules(file),
        work_pool=file.work_pool,
        max_parallel=file.max_parallel,
        evidence=evidence,
        report_url=file.report_url,
        store=file.store,
        population=resolve.population(file.population, path.parent),
        exempt=file.exempt,
        heartbeat_url_env=file.heartbeat_url_env,
        path=path,
        sha256=document.sha256,
    )


def _schedules(file: FleetFile) -> tuple[Schedule, ...]:
    return (file.schedule,) if file.schedule else file.schedules
