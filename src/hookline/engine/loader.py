"""Finding components: those that come with Hookline, a project's own, and installed ones.

1. The built-in rooms: ``connectors/<vendor>/connector.py`` (or ``connector.json``),
   ``triggers/*.py``, ``actions/*.py``, as ``hookline._rooms.…``.
2. The same three folders of the project, as ``hookline.project.…``. A project replaces a built-in
   vendor folder or file only as a whole, and only when hookline.toml says so::

       [components]
       override = ["connectors/slack", "actions/http"]

3. Installed distributions, through the entry-point group ``hookline.components``; an entry point
   names a module, or one component in it.

Files and folders whose name starts with ``_`` or ``.`` hold helpers and are not looked at.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import MappingProxyType, ModuleType

from hookline.sdk import Action, Connector, Trigger

from .registry import Found, Registry, RegistryError, Unavailable, build_registry
from .rooms import mount, unmount

__all__ = ["ENTRY_POINTS", "EXTRAS", "PROJECT", "import_room", "load_registry"]

ENTRY_POINTS = "hookline.components"
"""Group under which an installed distribution names its components."""

PROJECT = "hookline.project"
"""Parent of the modules of the project that is loaded."""

EXTRAS = MappingProxyType(
    {
        "boto3": "s3",
        "watchfiles": "watch",
        "botocore": "s3",
        "s3transfer": "s3",
        "urllib3": "s3",
        "PIL": "images",
        "cryptography": "google",
        "imageio_ffmpeg": "video",
        "re2": "re2",
    }
)
"""Modules that come with an extra of Hookline: ``pip install hookline[s3]``."""


@dataclass(frozen=True, slots=True)
class _Unit:
    """A vendor folder, or one file of triggers or actions."""

    name: str
    modules: tuple[str, ...] = ()
    manifest: Path | None = None


class _Unusable(Exception):
    def __init__(self, reason: str, hint: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.hint = hint


def import_room(name: str) -> ModuleType:
    """Import a built-in component's module: ``import_room("connectors.slack.connector")``."""
    return importlib.import_module(f"hookline._rooms.{name}")


def load_registry(project: Path | None = None, *, plugins: Iterable[EntryPoint] | None = None) -> Registry:
    """Load everything that is installed.

    A component that cannot be imported becomes an entry in `Registry.unavailable`; the others
    are loaded. The project's modules are imported afresh at every call, so that a development
    server sees edits.

    Args:
        project: Folder of the project, None for the built-in and installed components only.
        plugins: Entry points to load, None for those of the installed distributions.

    Raises:
        RegistryError: A name is declared twice, or hookline.toml is wrong (C001 to C004).
    """
    rooms = importlib.import_module("hookline._rooms")
    root: Path = rooms.ROOT
    unmount(PROJECT)
    own: list[_Unit] = []
    overridden: frozenset[str] = frozenset()
    if project is not None and project.resolve() != root:
        own = list(_units(project))
        overridden = _overrides(project, own)
        mount(PROJECT, project)

    found: list[Found] = []
    unavailable: list[Unavailable] = []
    builtin = [unit for unit in _units(root) if unit.name not in overridden]
    for parent, prefix, units in ((rooms.__name__, "", builtin), (PROJECT, "project:", own)):
        for unit in units:
            origin = f"{prefix}{unit.name}"
            try:
                found += [Found(component, origin) for component in _load(parent, unit)]
            except _Unusable as error:
                unavailable.append(Unavailable(origin, error.reason, error.hint))
    for plugin in entry_points(group=ENTRY_POINTS) if plugins is None else plugins:
        origin = f"{plugin.dist.name if plugin.dist else 'installed'}:{plugin.name}"
        try:
            found += [Found(component, origin) for component in _load_plugin(plugin)]
        except _Unusable as error:
            unavailable.append(Unavailable(origin, error.reason, error.hint))
    return build_registry(found, unavailable)


def _units(root: Path) -> Iterator[_Unit]:
    """What there is to load below `root`, in a stable order."""
    for folder in _entries(root / "connectors"):
        if not folder.is_dir():
            continue
        has_code, has_json = (folder / "connector.py").is_file(), (folder / "connector.json").is_file()
        # What git leaves behind when a folder is deleted (__pycache__) is no connector.
        if has_code or has_json or any(entry.is_file() for entry in _entries(folder)):
            yield _Unit(
                f"connectors/{folder.name}",
                (f"connectors.{folder.name}.connector",) if has_code else (),
                folder / "connector.json" if has_json else None,
            )
    for room in ("triggers", "actions"):
        for file in _entries(root / room):
            if file.suffix == ".py" and file.is_file():
                yield _Unit(f"{room}/{file.stem}", (f"{room}.{file.stem}",))


def _entries(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(entry for entry in folder.iterdir() if not entry.name.startswith(("_", ".")))


def _overrides(project: Path, own: Iterable[_Unit]) -> frozenset[str]:
    file = project / "hookline.toml"
    if not file.is_file():
        return frozenset()
    try:
        declared = tomllib.loads(file.read_text("utf-8")).get("components", {}).get("override", [])
    except (ValueError, AttributeError) as error:
        raise _bad_toml(f"hookline.toml cannot be read: {error}") from error
    if not isinstance(declared, list) or not all(isinstance(name, str) for name in declared):
        raise _bad_toml("override in hookline.toml is not a list of texts")
    missing = sorted(set(declared) - {unit.name for unit in own})
    if missing:
        raise RegistryError(
            "C002",
            f"hookline.toml overrides {missing[0]!r}, and the project has no such component",
            hint="names look like connectors/slack (a folder) or actions/http (the file actions/http.py)",
        )
    return frozenset(declared)


def _bad_toml(message: str) -> RegistryError:
    return RegistryError("C004", message, hint='expected: [components] override = ["connectors/slack"]')


def _load(parent: str, unit: _Unit) -> list[Action | Trigger | Connector]:
    components: list[Action | Trigger | Connector] = []
    if not unit.modules and unit.manifest is None:
        raise _Unusable(
            "the folder holds neither connector.py nor connector.json",
            f"add one, or rename the folder to _{unit.name.rpartition('/')[2]} if it only holds helpers",
        )
    if unit.manifest is not None:
        components.append(_read_manifest(unit.manifest))
    for module in unit.modules:
        components += _components(_import(f"{parent}.{module}"))
    return components


def _read_manifest(path: Path) -> Connector:
    # Most connectors are code; only a declarative one needs the expression compiler.
    from hookline.sdk.manifest import ManifestError, connector_from_manifest

    try:
        return connector_from_manifest(json.loads(path.read_text("utf-8")), path.parent.name)
    except ManifestError as error:
        raise _Unusable(
            f"{error.code}: connector.json{error.pointer}: {error.message}", error.hint
        ) from error
    except ValueError as error:
        raise _Unusable(f"C010: connector.json is not JSON: {error}", "correct the file") from error


def _load_plugin(plugin: EntryPoint) -> list[Action | Trigger | Connector]:
    module = _import(plugin.module)
    if not plugin.attr:
        return _components(module)
    component = getattr(module, plugin.attr, None)
    if not isinstance(component, Action | Trigger | Connector):
        raise _Unusable(
            f"{plugin.value} is no action, trigger or connector",
            "correct the entry point of the distribution",
        )
    return [component]


def _import(name: str) -> ModuleType:
    try:
        module = importlib.import_module(name)
    except ImportError as error:
        if isinstance(error, ModuleNotFoundError) and error.name and not error.name.startswith("hookline."):
            raise _missing(error.name) from error
        raise _Unusable(f"it cannot be imported: {error}", "correct the import") from error
    except Exception as error:
        # A component is somebody else's code: whatever it raises, the others must still load.
        raise _Unusable(
            f"C010: it fails while it is imported: {type(error).__name__}: {error}", "correct it"
        ) from error
    for required in getattr(module, "REQUIRES", ()):
        if importlib.util.find_spec(required) is None:
            raise _missing(required)
    return module


def _missing(module: str) -> _Unusable:
    top = module.partition(".")[0]
    if top in EXTRAS:
        return _Unusable(f"{top} is not installed", f"pip install hookline[{EXTRAS[top]}]")
    return _Unusable(f"{top} is not installed", f"install the distribution that provides {top}")


def _components(module: ModuleType) -> list[Action | Trigger | Connector]:
    """A module's components are its module-level objects; private ones are helpers."""
    return [
        value
        for name, value in vars(module).items()
        if not name.startswith("_") and isinstance(value, Action | Trigger | Connector)
    ]
