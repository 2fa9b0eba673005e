"""Settings of an installation: flag > ``HOOKLINE_*`` > ``.env`` > ``hookline.toml`` > default.

`FIELDS` is the one declaration: the reference page, ``hookline doctor`` and this reader use it.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["FIELDS", "Setting", "Settings", "SettingsError", "load_settings"]


class SettingsError(Exception):
    """A setting cannot be used. `code` is a stable code, `hint` says what to do."""

    code = "S201"

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting: ``HOOKLINE_<NAME>`` in the environment, ``<name>`` in ``hookline.toml``."""

    name: str
    default: str
    description: str
    secret: bool = False

    @property
    def variable(self) -> str:
        return f"HOOKLINE_{self.name.upper()}"


FIELDS: tuple[Setting, ...] = (
    Setting(
        "database_url",
        "sqlite:///.hookline/hookline.db",
        "The database; SQLite paths are relative to the project.",
    ),
    Setting(
        "base_url", "", "Public address of this installation, for callbacks; the server's own when empty."
    ),
    Setting("admin_token", "", "Bearer token that `hookline serve` asks for.", secret=True),
    Setting(
        "master_key",
        "",
        "Secret from which callback addresses are made; kept in the database when empty.",
        secret=True,
    ),
    Setting("artifacts_dir", ".hookline/artifacts", "Folder of the artifact store."),
    Setting(
        "artifacts_url",
        "",
        "`s3://bucket/prefix`: keep artifacts in an object store, which several machines can share; the "
        "folder is then only a cache. Reached with the usual `AWS_*` variables.",
    ),
    Setting(
        "artifacts_grace",
        "1d",
        "Artifacts that nothing refers to any more are kept this long, and then removed; never when empty.",
    ),
    Setting(
        "files_dir", "files", "The only folder below which `files.*` reads and writes `file:` addresses."
    ),
    Setting(
        "watch_dirs",
        "",
        "Folders outside the project that the folder trigger may watch, separated by colons.",
    ),
    Setting(
        "allow_origins", "", "Private or plain-http origins that workflows may reach, separated by commas."
    ),
    Setting(
        "budget_day",
        "",
        "What all workflows together may spend in one day (UTC), such as `20 usd`, by estimate.",
    ),
    Setting("budget_month", "", "The same for one calendar month (UTC)."),
    Setting("max_backlog", "10000", "Runs that may be queued or running; beyond it a hook answers 503."),
    # Replicate's webhooks repeat input, output and logs: 1 MB of files within a request is 1.3 MB here.
    Setting("max_body_bytes", "10485760", "Largest body of a webhook or callback in bytes."),
    Setting("max_attempts_at_once", "256", "Attempts of asynchronous actions executed at the same time."),
    Setting("blocking_threads", "16", "Threads for actions that block."),
    Setting("server_threads", "48", "Threads that answer HTTP requests."),
    Setting(
        "live_views", "16", "How many may watch runs live at the same time; each has a thread of its own."
    ),
    Setting(
        "retention_age", "", "Forget finished runs older than this, unless their workflow says otherwise."
    ),
    Setting(
        "retention_count", "", "Keep this many finished runs of each workflow, unless it says otherwise."
    ),
    Setting(
        "retention_events_age",
        "",
        "Forget events that started no run when they are older than this; by default as `retention_age`.",
    ),
    Setting(
        "retention_events_count",
        "10000",
        "Keep this many events that started no run, of each workflow and of those that fit none.",
    ),
    Setting("log_level", "info", "debug, info, warning or error."),
)


@dataclass(frozen=True, slots=True)
class Settings:
    """What was read.

    Attributes:
        project: Folder of the project.
        values: Every setting of `FIELDS`, as text.
        origins: Where each came from: ``flag``, ``environment``, ``.env``, ``hookline.toml``, ``default``.
        environment: The process's variables over those of ``.env``; connections read them.
        connections: The ``[connections.*]`` tables.
        people: The ``[people.*]`` tables; see `hookline.engine.people`.
    """

    project: Path
    values: Mapping[str, str]
    origins: Mapping[str, str]
    environment: Mapping[str, str] = field(repr=False)
    connections: Mapping[str, Mapping[str, Any]] = field(repr=False)
    people: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def __getitem__(self, name: str) -> str:
        return self.values[name]

    def integer(self, name: str) -> int:
        """A setting that is a number.

        Raises:
            SettingsError: It is not one.
        """
        try:
            return int(self.values[name])
        except ValueError:
            raise SettingsError(f"{name} is {self.values[name]!r}, not a whole number") from None

    def list(self, name: str, separator: str = ",") -> list[str]:
        """A setting that is a list."""
        return [part.strip() for part in self.values[name].split(separator) if part.strip()]

    def path(self, name: str) -> Path:
        """A setting that is a folder, relative to the project."""
        return (self.project / self.values[name]).resolve()


def load_settings(
    project: Path, environment: Mapping[str, str], flags: Mapping[str, str | None] | None = None
) -> Settings:
    """Read a project's settings.

    Args:
        flags: Settings given on the command line; None means not given.

    Raises:
        SettingsError: ``hookline.toml`` or ``.env`` cannot be read, or names an unknown setting.
    """
    project = project.resolve()
    dotenv = _read_dotenv(project / ".env")
    table = _read_toml(project / "hookline.toml")
    connections = table.pop("connections", {})
    people = table.pop("people", {})
    if not isinstance(people, dict):
        raise SettingsError("hookline.toml: people is not a table", "write [people.<name>]")
    # The loader reads this one itself.
    table.pop("components", None)
    known = {setting.name for setting in FIELDS}
    for name in table:
        if name not in known:
            raise SettingsError(f"hookline.toml: there is no setting {name!r}", "see `hookline doctor`")
    merged = {**dotenv, **environment}
    values, origins = {}, {}
    for setting in FIELDS:
        for origin, value in (
            ("flag", (flags or {}).get(setting.name)),
            ("environment", environment.get(setting.variable)),
            (".env", dotenv.get(setting.variable)),
            ("environment", _from_file(environment.get(f"{setting.variable}_FILE"), setting)),
            ("hookline.toml", table.get(setting.name)),
            ("default", setting.default),
        ):
            if value is not None:
                values[setting.name], origins[setting.name] = str(value), origin
                break
    return Settings(project, values, origins, merged, _expand(connections, merged), _expand(people, merged))


def _from_file(path: str | None, setting: Setting) -> str | None:
    if path is None or not setting.secret:
        return None
    try:
        return Path(path).read_text().strip()
    except OSError as error:
        raise SettingsError(f"{setting.variable}_FILE: {error}") from error


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise SettingsError(f"{path.name}: {error}", "correct the file; its syntax is TOML") from error


_LINE = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=(.*)")
_QUOTED = re.compile(r"\s*(['\"])(.*?)\1\s*(?:\s#.*)?")
_COMMENT = re.compile(r"\s#.*")


def _read_dotenv(path: Path) -> dict[str, str]:
    """``NAME=value`` lines; quotes around a value are taken off, nothing is interpolated.

    As in other readers of such files, a ``#`` with space before it begins a comment unless it
    stands within quotes.
    """
    try:
        text = path.read_text()
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise SettingsError(f".env: {error}") from error
    found = {}
    for number, line in enumerate(text.splitlines(), 1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        match = _LINE.fullmatch(line)
        if match is None:
            raise SettingsError(f".env, line {number}: NAME=value is expected")
        quoted = _QUOTED.fullmatch(match[2])
        found[match[1]] = quoted[2] if quoted else _COMMENT.sub("", match[2]).strip()
    return found


_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


def _expand(value: Any, environment: Mapping[str, str]) -> Any:
    """Replace ``${NAME}``; a value whose variable is not set is left out, and so counts as missing."""
    if isinstance(value, dict):
        expanded = {key: _expand(item, environment) for key, item in value.items()}
        return {key: item for key, item in expanded.items() if item is not None}
    if isinstance(value, str):
        if any(name not in environment for name in _VARIABLE.findall(value)):
            return None
        return _VARIABLE.sub(lambda match: environment[match[1]], value)
    return value
