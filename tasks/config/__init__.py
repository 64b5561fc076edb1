"""Fleet files: the strict schema, and the loader whose errors name file, line, path, value and remedy."""

from tasks.config.chosen import choose_selection, read_fleet, read_target, suite_file, to_latest
from tasks.config.fleet import load_fleet
from tasks.config.schema import Fleet, Schedule
from tasks.config.selecting import parse_select, parse_time

__all__ = [
    "Fleet",
    "Schedule",
    "choose_selection",
    "load_fleet",
    "parse_select",
    "parse_time",
    "read_fleet",
    "read_target",
    "suite_file",
    "to_latest",
]
