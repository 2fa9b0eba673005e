"""The list of changes: from a place in it to what was changed since, and to the next place.

Source: https://developers.google.com/workspace/drive/api/guides/manage-changes
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from hookline.sdk import MalformedOutput

from .api import Api
from .errors import error_for
from .resource import FIELDS, Resource

__all__ = ["Change", "Changes", "Page", "TokenRefused"]

_PATH = "drive/v3/changes"
_FIELDS = f"nextPageToken,newStartPageToken,changes(changeType,removed,fileId,file({FIELDS}))"
_PAGE = "1000"
_REFUSED = (400, 410)
"""What Drive answers to a page token that is none, or none any more."""


class TokenRefused(Exception):
    """Drive does not know this place in the list of changes (any more)."""


@dataclass(frozen=True, slots=True)
class Change:
    """A file that was changed; `file` is None when it is gone, or not to be seen any more."""

    id: str
    file: Resource | None


@dataclass(frozen=True, slots=True)
class Page:
    """Changes, oldest first.

    Attributes:
        token: The place behind them.
        is_last: There are no more as yet.
    """

    changes: tuple[Change, ...]
    token: str
    is_last: bool


class Changes:
    """The changes of one shared drive, or of the account's own files and those shared with it.

    Args:
        drive: Id of the shared drive, ``""`` for the account's.
    """

    def __init__(self, api: Api, drive: str) -> None:
        self._api = api
        self.params: Mapping[str, str] = {
            "supportsAllDrives": "true",
            **({"driveId": drive} if drive else {}),
        }

    async def start(self) -> tuple[str, datetime | None]:
        """The place behind everything that has happened so far; and the time, by Drive's own clock.

        The time is None when Drive does not say. It is not earlier than what it was asked at.
        """
        what = "asking where the changes go on"
        response = await self._api.send("GET", f"{_PATH}/startPageToken", what, params=self.params)
        answer: Any = response.json()
        token = answer.get("startPageToken") if isinstance(answer, Mapping) else None
        if not isinstance(token, str) or not token:
            raise MalformedOutput(f"{what}: Google Drive gave no page token")
        try:
            # It is told in whole seconds.
            at = parsedate_to_datetime(response.headers.get("date", "")) + timedelta(seconds=1)
        except ValueError:
            return token, None
        return token, at.astimezone(UTC)

    async def since(self, token: str) -> Page:
        """What was changed behind a place.

        Raises:
            TokenRefused: There is no such place (any more).
            ActionError: See `errors`.
        """
        what = "asking what was changed"
        params = {
            **self.params,
            "includeItemsFromAllDrives": "true",
            "pageToken": token,
            "pageSize": _PAGE,
            "fields": _FIELDS,
        }
        response = await self._api.send("GET", _PATH, what, params=params, accept=(200, *_REFUSED))
        if response.status in _REFUSED:
            raise TokenRefused from error_for(response, what, "read")
        answer: Any = response.json()
        found = answer.get("changes") if isinstance(answer, Mapping) else None
        if not isinstance(found, list):
            raise MalformedOutput(f"{what}: Google Drive's answer holds no changes")
        following, last = answer.get("nextPageToken"), answer.get("newStartPageToken")
        if not isinstance(following or last, str):
            raise MalformedOutput(f"{what}: Google Drive's answer holds no page token")
        changes = tuple(change for change in map(_change, found) if change is not None)
        return Page(changes, str(following or last), is_last=not following)


def _change(value: Any) -> Change | None:
    """One entry; None for one that is about a shared drive itself."""
    if not isinstance(value, Mapping):
        raise MalformedOutput("Google Drive listed a change that is no object")
    if value.get("changeType") not in (None, "file") or not isinstance(value.get("fileId"), str):
        return None
    is_gone = value.get("removed") is True or value.get("file") is None
    return Change(value["fileId"], None if is_gone else Resource.parse(value["file"]))
