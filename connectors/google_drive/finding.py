"""From an address to a file: names are looked up folder by folder, for Drive knows only ids."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

from hookline.sdk import AuthenticationFailed, BadInput, MalformedOutput, NotFound, Writing

from .address import Address
from .api import FILES, Api
from .resource import FIELDS, FOLDER, SHORTCUT, Resource

__all__ = ["ALL_DRIVES", "ROOT", "Finder", "Folder", "Listing", "quoted"]

ROOT = "root"
"""The id by which Drive knows everybody's own My Drive."""

ALL_DRIVES: Mapping[str, str] = {"supportsAllDrives": "true"}
_HERE_AND_SHARED: Mapping[str, str] = {**ALL_DRIVES, "includeItemsFromAllDrives": "true"}


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder, and the shared drive that it is in, ``""`` in My Drive."""

    id: str
    drive: str


@dataclass(frozen=True, slots=True)
class Listing:
    """A page of what is in folders; `next` is ``""`` on the last one."""

    found: tuple[Resource, ...]
    next: str


class Finder:
    """Looks files up."""

    def __init__(self, api: Api) -> None:
        self._api = api

    async def get(self, id: str, what: str) -> Resource:
        """What has this id.

        Raises:
            NotFound: Nothing, or it is in the trash.
        """
        answer = await self._api.ask("GET", f"{FILES}/{id}", what, params={**ALL_DRIVES, "fields": FIELDS})
        found = Resource.parse(answer)
        if found.trashed:
            raise NotFound(f"{what}: it is in the trash")
        return found

    async def earlier(self, file: Resource, revision: str, what: str) -> Resource:
        """A file as it was before somebody gave it another content.

        Raises:
            NotFound: C047: Drive does not keep that version any more, or does not show it.
        """
        try:
            answer = await self._api.ask(
                "GET",
                f"{FILES}/{file.id}/revisions/{quote(revision, safe='')}",
                what,
                params={"fields": "id,mimeType,size,md5Checksum"},
            )
        except (NotFound, AuthenticationFailed) as error:
            raise NotFound(
                f"{what}: the file was given another content, and this version cannot be read any more",
                code="C047",
                hint="let the account edit the file, so that it may read earlier versions, or run it again "
                "with the newest",
            ) from error
        found = Resource.parse({**answer, "id": file.id, "name": file.name})
        return replace(found, revision=revision)

    async def file(self, at: Address) -> Resource:
        """The file at an address; where it is a shortcut, the file that it leads to.

        Raises:
            NotFound: There is none.
            BadInput: C040 when it is a folder, C043 when several have this name.
        """
        what = f"looking for {at.uri}"
        found = await self._named(at, what) if at.path else await self.get(at.id, what)
        if found is None:
            raise NotFound(f"{what}: there is no such file")
        if found.mime == SHORTCUT:
            found = await self.get(found.target, what)
        if found.mime == FOLDER:
            raise BadInput(f"{at.uri} is a folder", code="C040", hint="name a file in it")
        return found

    async def _named(self, at: Address, what: str) -> Resource | None:
        return await self.child(await self.folder(at.id, at.path[:-1], what), at.path[-1], what)

    async def top(self, id: str, what: str) -> Folder:
        """The folder of an id.

        Raises:
            NotFound: There is none.
            BadInput: C040: it is no folder.
        """
        if id == ROOT:
            return Folder(id, "")
        found = await self.get(id, what)
        if found.mime != FOLDER:
            raise BadInput(
                f"{what}: {found.name!r} is no folder", code="C040", hint="name a folder by its id"
            )
        return Folder(found.id, found.drive)

    async def folder(self, id: str, path: Sequence[str], what: str) -> Folder:
        """A folder inside another.

        Raises:
            NotFound: There is none.
            BadInput: C040, C043.
        """
        at = await self.top(id, what)
        for name in path:
            found = await self.child(at, name, what, folder=True)
            if found is None:
                raise NotFound(f"{what}: there is no folder {name!r}")
            at = Folder(found.id, at.drive)
        return at

    async def made_folder(self, id: str, path: Sequence[str], what: str, writing: Writing) -> str:
        """As `folder`, and those that are missing are made; returns its id."""
        at = await self.top(id, what)
        for depth, name in enumerate(path):
            found = await self.child(at, name, what, folder=True)
            if found is None:
                mark = f"folder_{depth}"
                # The id is on disk before the folder is made: a repetition finds that folder again, and
                # makes no second one of the same name.
                kept = writing.kept.get(mark)
                new = kept if isinstance(kept, str) else await self.new_id(what)
                if kept is None:
                    await writing.keep(**{mark: new})
                found = await self._make(new, name, at.id, what)
            at = Folder(found.id, at.drive)
        return at.id

    async def _make(self, new: str, name: str, parent: str, what: str) -> Resource:
        response = await self._api.send(
            "POST",
            FILES,
            what,
            params={**ALL_DRIVES, "fields": FIELDS},
            json={"id": new, "name": name, "mimeType": FOLDER, "parents": [parent]},
            effect="idempotent",
            accept=(200, 409),
        )
        return await self.get(new, what) if response.status == 409 else Resource.parse(response.json())

    async def new_id(self, what: str) -> str:
        """An id for a file to be made: whoever makes it twice makes one."""
        answer = await self._api.ask("GET", f"{FILES}/generateIds", what, params={"count": "1"})
        ids = answer.get("ids")
        if not isinstance(ids, list) or not ids or not isinstance(ids[0], str):
            raise MalformedOutput(f"{what}: Google Drive gave no id for a new file")
        return ids[0]

    async def child(self, parent: Folder, name: str, what: str, *, folder: bool = False) -> Resource | None:
        """The file, or the folder, of this name in a folder; None when there is none.

        Raises:
            NotFound: There is no such parent.
            BadInput: C043: several have it.
        """
        sign = "=" if folder else "!="
        named = f"name = {quoted(name)} and mimeType {sign} {quoted(FOLDER)} and trashed = false"
        query = f"{quoted(parent.id)} in parents and {named}"
        page = await self.list(query, what, drive=parent.drive, size=2)
        if len(page.found) > 1:
            kind = "folders" if folder else "files"
            raise BadInput(
                f"{what}: several {kind} are called {name!r}",
                code="C043",
                hint="Drive allows that; name the one that is meant by its id: gdrive://FILE-ID",
            )
        return page.found[0] if page.found else None

    async def list(
        self, query: str, what: str, *, size: int = 1000, token: str = "", drive: str = "", order: str = ""
    ) -> Listing:
        """One page of what a query finds.

        Args:
            drive: The shared drive it is about, ``""`` for the account's own files. Without it, Drive shows
                of shared drives only what the account has opened before.
        """
        params: dict[str, str] = {
            **_HERE_AND_SHARED,
            "q": query,
            "pageSize": str(size),
            "fields": f"nextPageToken,files({FIELDS})",
        }
        if drive:
            params |= {"corpora": "drive", "driveId": drive}
        if token:
            params["pageToken"] = token
        if order:
            params["orderBy"] = order
        answer = await self._api.ask("GET", FILES, what, params=params)
        files: Any = answer.get("files")
        if not isinstance(files, list):
            raise MalformedOutput(f"{what}: Google Drive's list holds no files")
        return Listing(tuple(map(Resource.parse, files)), str(answer.get("nextPageToken") or ""))


def quoted(text: str) -> str:
    """A text as it stands in a query."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
