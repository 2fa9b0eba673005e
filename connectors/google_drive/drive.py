"""The opened client of a `google_drive` connection; a `hookline.sdk.FileStore` that copies."""

from __future__ import annotations

import json
import mimetypes
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from typing import Any

from hookline.sdk import (
    ActionError,
    AlreadyExists,
    BadInput,
    File,
    FilePage,
    IfExists,
    ListedFile,
    MalformedOutput,
    NotFound,
    Unavailable,
    Writing,
)

from .address import SCHEME, Address
from .api import FILES, Api
from .finding import ALL_DRIVES, Finder, quoted
from .push import Pushes
from .reading import default_export, pieces
from .resource import FIELDS, FOLDER, OURS, OWN_MD5, SHORTCUT, Resource
from .writing import Upload

__all__ = ["Drive"]

MARK = "hookline-write"
"""Property that says which writing made a file."""

_MAX_PROPERTY = 124
"""Bytes of a property's key and value together."""
_PLAIN = "application/octet-stream"
_MEDIA_TYPE = re.compile(r"[\w!#$&^.+-]+/[\w!#$&^.+-]+(?:\s*;[ -~]*)?", re.ASCII)


class Drive:
    """Files of one account, and of everything that is shared with it.

    Attributes:
        name: The connection's name, which the file references carry.
        account: Whose files it sees: the address of a service account, else words for a person.
        pushes: Push channels, for the trigger.
    """

    def __init__(self, name: str, api: Api, pushes: Pushes, account: str) -> None:
        self.name = name
        self.account = account
        self.api = api
        self.pushes = pushes
        self.find = Finder(api)

    def __repr__(self) -> str:
        return f"Drive({self.name!r})"

    def file(self, at: Address, found: Resource) -> File:
        """A reference to a file."""
        if found.is_native:
            mime = at.export or default_export(found)
            return File(
                at.uri,
                name=found.export_name(mime),
                mime=mime,
                etag=found.version or None,
                connection=self.name,
            )
        return File(
            at.uri,
            name=found.name,
            mime=found.mime,
            bytes=found.bytes,
            sha256=found.sha256 or None,
            etag=found.version or None,
            connection=self.name,
        )

    async def stat(self, uri: str) -> File:
        """A reference with size, type and digest.

        Raises:
            ActionError: See `errors` and `finding`.
        """
        at = Address.parse(uri)
        return self.file(at, await self.find.file(at))

    @asynccontextmanager
    async def stream(self, uri: str, *, version_id: str = "") -> AsyncIterator[AsyncIterator[bytes]]:
        """The bytes in pieces; all of them or an error. A document of Google's own is exported, as PDF
        where its address names no other type.

        Args:
            version_id: Revision of the content; the newest when empty. Drive gives earlier ones only to
                those who may edit the file, and for a time.

        Raises:
            NotFound: The file is gone, or this version of it.
            ActionError: See `errors`, `finding` and `reading`.
        """
        at = Address.parse(uri)
        found = await self.find.file(at)
        if version_id and not found.is_native and found.revision != version_id:
            earlier = await self.find.earlier(found, version_id, f"reading {uri}")
            yield pieces(self.api, at, earlier, earlier=True)
        else:
            yield pieces(self.api, at, found)

    async def write(
        self,
        uri: str,
        source: bytes | AsyncIterator[bytes],
        *,
        mime: str = "",
        metadata: Mapping[str, str] | None = None,
        size: int | None = None,
        if_exists: IfExists = "overwrite",
        writing: Writing | None = None,
    ) -> File:
        """Write a file; folders in its path that are missing are made.

        What is there gets another content and stays the same file, with its id and who it is shared
        with. A new one gets an id that is on disk before it is made, so a repetition makes no second one:
        Drive itself allows any number of files of the same name.

        Args:
            if_exists: ``fail`` is decided by a look before. Drive has no way to make sure: a file of the
                same name that appears between the look and the end is left there, beside this one.

        Raises:
            AlreadyExists: Another file is there.
            ActionError: See `errors`, `finding` and `writing`.
        """
        at, writing = Address.parse(uri), writing or Writing()
        if at.export:
            raise BadInput(f"{uri[:200]!r} cannot be written", code="C040", hint="leave ?export= out")
        what = f"writing {at.uri}"
        there = await self._there(at, writing, what)
        if there is not None and _is_done(there, writing):
            return self.file(at, there)
        if there is not None and if_exists == "fail":
            raise _taken(at)
        name = at.path[-1] if at.path else there.name if there else ""
        mime = _media_type(mime or mimetypes.guess_type(name)[0] or _PLAIN)
        body: dict[str, Any] = {"mimeType": mime, "appProperties": _properties(metadata, writing)}
        if there is not None:
            if there.is_native:
                raise BadInput(f"{what}: a document of Google's own cannot be overwritten", code="C044")
            sent = await Upload(self.api, what, body, mime, file_id=there.id).send(_stream(source))
        else:
            body |= await self._new(at, writing, what)
            upload = Upload(self.api, what, body, mime)
            try:
                sent = await upload.send(_stream(source))
            except MalformedOutput:
                with suppress(ActionError):
                    await self._trash(body["id"], what)
                raise
        if sent.file is None:
            return self.file(at, await self._own(str(body.get("id", "")), writing, what))
        return self.file(at, sent.file)

    async def _there(self, at: Address, writing: Writing, what: str) -> Resource | None:
        """What is at an address before it is written to.

        Raises:
            BadInput: C040: a folder or a shortcut; C043.
            NotFound: An id that there is no file of.
        """
        kept = writing.kept.get("file_id")
        if isinstance(kept, str):
            # Listings may lag behind, ids do not: an earlier try may have made it.
            with suppress(NotFound):
                return await self.find.get(kept, what)
        if not at.path:
            # A shortcut is not followed: who deletes it does not mean what it leads to.
            found = await self.find.get(at.id, what)
        else:
            try:
                parent = await self.find.folder(at.id, at.path[:-1], what)
            except NotFound:
                if len(at.path) == 1:
                    raise
                return None
            child = await self.find.child(parent, at.path[-1], what)
            if child is None:
                return None
            found = child
        if found.mime in (FOLDER, SHORTCUT):
            raise BadInput(f"{what}: a shortcut or a folder is there", code="C040")
        return found

    async def _new(self, at: Address, writing: Writing, what: str) -> dict[str, Any]:
        parent = await self.find.made_folder(at.id, at.path[:-1], what, writing)
        kept = writing.kept.get("file_id")
        id = kept if isinstance(kept, str) else await self.find.new_id(what)
        if kept is None:
            await writing.keep(file_id=id)
        return {"id": id, "name": at.path[-1], "parents": [parent]}

    async def _own(self, id: str, writing: Writing, what: str) -> Resource:
        """The file of an id that was taken already: by an earlier try, whose answer was lost."""
        found = await self.find.get(id, what)
        if not _is_done(found, writing):
            raise Unavailable(f"{what}: the id for the new file is taken by another one")
        return found

    async def copy(
        self,
        source: str,
        target: str,
        *,
        mime: str = "",
        metadata: Mapping[str, str] | None = None,
        if_exists: IfExists = "overwrite",
        writing: Writing | None = None,
    ) -> File:
        """Copy a file; Drive does it, unless another type is wanted or something is replaced.

        Raises:
            NotFound: There is no such source.
            AlreadyExists: Another file is there.
            ActionError: See `errors`, `finding` and `writing`.
        """
        come, at, writing = Address.parse(source), Address.parse(target), writing or Writing()
        what = f"copying {come.uri} to {at.uri}"
        found = await self.find.file(come)
        there = await self._there(at, writing, what)
        if there is not None and _is_done(there, writing):
            return self.file(at, there)
        if there is not None and if_exists == "fail":
            raise _taken(at)
        if there is not None or come.export or not at.path:
            given = self.file(come, found)
            content = pieces(self.api, come, found)
            return await self.write(
                target, content, mime=mime or given.mime, metadata=metadata, writing=writing
            )
        body = await self._new(at, writing, what)
        # What a run noted about the source is not true of the copy.
        kept = {key: value for key, value in found.properties.items() if not key.startswith(OURS)}
        properties = {**kept, **_properties(metadata, writing), **({OWN_MD5: found.md5} if found.md5 else {})}
        response = await self.api.send(
            "POST",
            f"{FILES}/{found.id}/copy",
            what,
            params={**ALL_DRIVES, "fields": FIELDS},
            json={**body, "appProperties": properties, **({"mimeType": mime} if mime else {})},
            effect="idempotent",
            accept=(200, 409),
        )
        if response.status == 409:
            return self.file(at, await self._own(body["id"], writing, what))
        return self.file(at, Resource.parse(response.json()))

    async def delete(self, uri: str) -> None:
        """Put a file into the trash, from where people can take it back; nothing happens without one.

        Raises:
            ActionError: See `errors` and `finding`.
        """
        at = Address.parse(uri)
        what = f"deleting {at.uri}"
        with suppress(NotFound):
            found = await self._there(at, Writing(), what)
            if found is not None:
                await self._trash(found.id, what)

    async def _trash(self, id: str, what: str) -> None:
        await self.api.send(
            "PATCH",
            f"{FILES}/{id}",
            what,
            params={**ALL_DRIVES, "fields": "id"},
            json={"trashed": True},
            effect="idempotent",
        )

    async def list_files(
        self, uri: str, *, recursive: bool = True, token: str = "", limit: int = 1000
    ) -> FilePage:
        """One page of the files in a folder; a folder's own before those of the folders inside it.

        Of what no path can name (a name with ``/`` in it, or one that several files have), the address is
        that of its id.

        Raises:
            ActionError: See `errors` and `finding`.
        """
        at = Address.parse_folder(uri)
        what = f"listing {at.uri}/"
        if token:
            drive, folders, page = _place(token, what)
        else:
            top = await self.find.folder(at.id, at.path, what)
            drive, folders, page = top.drive, [[top.id, ""]], ""
        folder, path = folders[0]
        found = await self.find.list(
            f"{quoted(folder)} in parents and trashed = false",
            what,
            size=max(1, min(limit, 1000)),
            token=page,
            drive=drive,
            order="name",
        )
        files = [each for each in found.found if each.mime not in (FOLDER, SHORTCUT)]
        if recursive:
            inner = [each for each in found.found if each.mime == FOLDER and "/" not in each.name]
            folders += [[each.id, f"{path}{each.name}/"] for each in inner]
        if not found.next:
            folders.pop(0)
        following = json.dumps([drive, folders, found.next]) if folders else ""
        base = Address(at.id, at.path).uri
        listed = [self._listed(each, f"{base}/{path}", files) for each in files]
        return FilePage(tuple(each for each in listed if each is not None), following)

    def _listed(self, each: Resource, folder: str, beside: list[Resource]) -> ListedFile | None:
        try:
            is_named = "/" not in each.name and sum(other.name == each.name for other in beside) == 1
            at = Address.parse(f"{folder}{each.name}" if is_named else f"{SCHEME}://{each.id}")
            file = self.file(at, each)
        except BadInput:
            return None  # what is neither bytes nor exported: a form, a map, a site
        return ListedFile(file, _moment(each.modified))


def _is_done(there: Resource, writing: Writing) -> bool:
    return bool(writing.key) and there.properties.get(MARK) == writing.key


def _properties(metadata: Mapping[str, str] | None, writing: Writing) -> dict[str, str]:
    found = {**(metadata or {}), **({MARK: writing.key} if writing.key else {})}
    return {key: _fitting(key, value) for key, value in found.items()}


def _fitting(key: str, value: str) -> str:
    room = max(0, _MAX_PROPERTY - len(key.encode()))
    return value.encode()[:room].decode("utf-8", "ignore")


def _media_type(text: str) -> str:
    """A media type as it may stand in a header.

    Raises:
        BadInput: It is none.
    """
    if not _MEDIA_TYPE.fullmatch(text):
        raise BadInput(f"{text[:100]!r} is no media type", hint="write one such as image/png")
    return text


def _taken(at: Address) -> AlreadyExists:
    return AlreadyExists(
        f"there is a file {at.uri} already", hint="choose another if_exists: overwrite, rename or skip"
    )


def _place(token: str, what: str) -> tuple[str, list[list[str]], str]:
    try:
        drive, folders, page = json.loads(token)
        return str(drive), [[str(id), str(path)] for id, path in folders], str(page)
    except (ValueError, TypeError):
        raise BadInput(f"{what}: the page token is none of ours") from None


def _moment(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


async def _stream(source: bytes | AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    if isinstance(source, bytes):
        yield source
        return
    async for piece in source:
        yield piece
