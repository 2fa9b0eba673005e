"""Query parameters of a request, checked: what a method does not know is refused."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from hookline.testing.drive.errors import bad_parameter

__all__ = ["Parameters"]

_COMMON = frozenset({"fields", "alt", "prettyPrint", "quotaUser"})


class Parameters:
    """The query of one request.

    Args:
        known: Parameters of the method, besides those that every method has.

    Raises:
        DriveError: 400: one is unknown.
    """

    def __init__(self, query: Mapping[str, str], known: Collection[str]) -> None:
        unknown = sorted(set(query) - set(known) - _COMMON)
        if unknown:
            raise bad_parameter(unknown[0], f"Unknown name {unknown[0]!r}: Cannot bind query parameter.")
        if query.get("alt", "json") not in ("json", "media"):
            raise bad_parameter("alt")
        self._query = query

    def text(self, name: str, default: str = "") -> str:
        """A text."""
        return self._query.get(name, default)

    def required(self, name: str) -> str:
        """A text that must be given."""
        value = self._query.get(name, "")
        if not value:
            raise bad_parameter(name, f"Required parameter: {name}", reason="required")
        return value

    def flag(self, name: str, *, default: bool = False) -> bool:
        """A truth value: exactly ``true`` or ``false``."""
        value = self._query.get(name)
        if value is None:
            return default
        if value not in ("true", "false"):
            raise bad_parameter(name, f"Invalid boolean value: '{value}'.")
        return value == "true"

    def whole(self, name: str, default: int, least: int, most: int) -> int:
        """A whole number within bounds."""
        value = self._query.get(name)
        if value is None:
            return default
        if not value.isascii() or not value.isdigit() or not least <= int(value) <= most:
            raise bad_parameter(
                name, f"Invalid value '{value}'. Values must be within the range: [{least}, {most}]"
            )
        return int(value)

    @property
    def media(self) -> bool:
        """Whether the bytes are asked for, not the metadata."""
        return self._query.get("alt") == "media"

    @property
    def all_drives(self) -> bool:
        """Whether the caller says that it knows of shared drives."""
        return self.flag("supportsAllDrives")
