"""Where backups lie: finding them, reading them by range, bringing them here whole and proven."""

from tasks.stores.base import Store, open_store
from tasks.stores.companions import fetch_globals
from tasks.stores.discovery import discover
from tasks.stores.fetch import Fetched, fetch_backup
from tasks.stores.policy import least_privilege_policy

__all__ = [
    "Fetched",
    "Store",
    "discover",
    "fetch_backup",
    "fetch_globals",
    "least_privilege_policy",
    "open_store",
]
