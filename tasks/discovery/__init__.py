"""Finding backups: recovery points read out of keys, why each was or was not taken, what nobody drills."""

from tasks.discovery.discover import discover
from tasks.discovery.globals_file import fetch_globals
from tasks.discovery.iam_policy import least_privilege_policy

__all__ = ["discover", "fetch_globals", "least_privilege_policy"]
