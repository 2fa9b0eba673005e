"""Making a folder of components importable under a dotted name of our choosing."""

from __future__ import annotations

import importlib
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

__all__ = ["ROOMS", "mount", "unmount"]

ROOMS = ("connectors", "triggers", "actions")
"""The folders that hold components, in the order they are read."""


def mount(parent: str, root: Path) -> None:
    """Make the rooms below `root` importable as ``<parent>.connectors`` and so on.

    The modules made here are empty packages whose search path is the folder; everything below
    is imported in the ordinary way, relative imports included. A folder that does not exist
    is mounted too: there is nothing to import from it.
    """
    if parent not in sys.modules:
        _package(parent, [])
    for room in ROOMS:
        _package(f"{parent}.{room}", [str(root / room)])
    importlib.invalidate_caches()


def unmount(parent: str) -> None:
    """Forget everything that was imported below `parent`."""
    for name in [name for name in sys.modules if name == parent or name.startswith(f"{parent}.")]:
        del sys.modules[name]
    importlib.invalidate_caches()


def _package(name: str, path: list[str]) -> None:
    module = ModuleType(name)
    module.__path__ = path
    module.__package__ = name
    spec = ModuleSpec(name, None, is_package=True)
    spec.submodule_search_locations = path
    module.__spec__ = spec
    sys.modules[name] = module
    above, _, last = name.rpartition(".")
    if above in sys.modules:
        setattr(sys.modules[above], last, module)
