"""Fleet files: the strict schema, and the loader whose errors name file, line, path, value and remedy."""

from tasks.config.fleet import load_fleet
from tasks.config.schema import Fleet, Schedule
from tasks.config.selecting import parse_select, parse_time

__all__ = ["Fleet", "Schedule", "load_fleet", "parse_select", "parse_time"]
