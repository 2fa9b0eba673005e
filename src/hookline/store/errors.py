"""What a store reports when it cannot do what it is asked to."""

from __future__ import annotations

__all__ = [
    "CorruptStore",
    "Fenced",
    "StoreError",
    "StoreUnavailable",
]


class StoreError(Exception):
    """Base of what a store reports. `code` is a stable code."""

    code = "S100"


class StoreUnavailable(StoreError):
    """Nothing can be written just now (disk full, locked, read-only); nothing was lost."""

    code = "S101"


class CorruptStore(StoreError):
    """The database cannot be used; it is not touched any further."""

    code = "S102"


class Fenced(StoreError):
    """Another worker has the run, or it went on without us; what we know of it is out of date."""

    code = "S103"
