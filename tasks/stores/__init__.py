"""Where backups lie: reading them by range, bringing them here whole and proven."""

from tasks.stores.base import Store
from tasks.stores.fetch import Fetched, fetch_backup
from tasks.stores.open import open_store

__all__ = ["Fetched", "Store", "fetch_backup", "open_store"]
