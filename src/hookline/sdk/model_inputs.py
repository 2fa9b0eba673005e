"""Files that go into a model: each by the cheapest way that gets it there.

A small file travels inside the request as a ``data:`` URL. A larger one is read by the provider from its
own store, if that makes addresses that the provider can reach; then nothing is copied, whatever its size.
Else it is uploaded to the provider. Which way was taken is told, so that it stands in the run's record.

Nothing here performs IO by itself: reading, uploading and signing are given.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Literal
from urllib.parse import urlsplit

from .clients import Files
from .context import Context
from .errors import ActionError, BadInput
from .file_stores import PresignsFiles
from .files import File, is_file
from .http import is_public_host
from .model_files import data_url

__all__ = ["Share", "Tell", "Upload", "presigned", "send_files", "tell_of_files"]

Json = Any
Way = Literal["data URL", "presigned address", "upload"]
Upload = Callable[[bytes, File], Awaitable[str]]
"""``upload(content, file)``: hand a file to the provider; returns its address there."""
Share = Callable[[File], Awaitable[str | None]]
"""``share(file)``: an address the provider can read the file at; None when there is none."""
Tell = Callable[[str, File, Way, int | None], None]
"""``tell(where, file, way, bytes)``: which way a file went; `where` is a JSON Pointer below the input."""

SHARED_SECONDS = 24 * 3600.0
"""How long an address stays good: a prediction may wait as long as its deadline, at most a day."""


async def send_files(
    value: Json,
    files: Files,
    *,
    inline: int,
    largest: int,
    inline_total: int | None = None,
    upload: Upload | None = None,
    share: Share | None = None,
    tell: Tell | None = None,
) -> Json:
    """Replace every file reference in an input by something the model can read.

    Args:
        value: The input, any JSON.
        inline: Bytes up to which a file travels as a ``data:`` URL.
        largest: Bytes above which a file is neither sent nor uploaded.
        inline_total: Bytes that all files together may travel so, where a larger file has another way.
        upload: Takes larger files; None when the provider has no such thing.
        share: Gives the address of a larger file in its own store.

    Raises:
        BadInput: A file is too large, and there is no other way.
        NotFound: A file is gone.
    """
    sender = _Sender(files, inline, largest, inline_total, upload, share, tell)
    return await sender.visit(value, "")


class _Sender:
    def __init__(
        self,
        files: Files,
        inline: int,
        largest: int,
        inline_total: int | None,
        upload: Upload | None,
        share: Share | None,
        tell: Tell | None,
    ) -> None:
        self._files = files
        self._inline = inline
        self._largest = largest
        self._left = inline_total
        self._upload = upload
        self._share = share
        self._tell = tell
        self._sent: dict[File, str] = {}

    async def visit(self, value: Json, where: str) -> Json:
        if is_file(value):
            file = File.from_json(value)
            if file not in self._sent:
                address, way, size = await self._send(file)
                self._sent[file] = address
                if self._tell is not None:
                    self._tell(where, file, way, size)
            return self._sent[file]
        if isinstance(value, Mapping):
            return {key: await self.visit(item, f"{where}/{key}") for key, item in value.items()}
        if isinstance(value, list):
            return [await self.visit(item, f"{where}/{place}") for place, item in enumerate(value)]
        return value

    async def _send(self, file: File) -> tuple[str, Way, int | None]:
        if file.bytes is not None and not self._fits(file.bytes):
            # Its size is known, so it need not be read to be shared.
            shared = await self._shared(file)
            if shared is not None:
                return shared, "presigned address", file.bytes
        content = await self._files.read(file, max_bytes=self._largest)
        size = len(content)
        if self._fits(size):
            if self._left is not None:
                self._left -= size
            return data_url(content, file.mime), "data URL", size
        if file.bytes is None:
            shared = await self._shared(file)
            if shared is not None:
                return shared, "presigned address", size
        if self._upload is None or size > self._largest:
            if size <= self._inline:  # Too many of them, and no other way: the provider decides.
                return data_url(content, file.mime), "data URL", size
            limit = self._inline if self._upload is None else self._largest
            raise BadInput(
                f"the file {file.name!r} has {size:,} bytes; at most {limit:,} can be sent",
                hint="make it smaller, keep it in a store that the model can reach, such as S3, or give the "
                "address of the file instead",
            )
        return await self._upload(content, file), "upload", size

    def _fits(self, size: int) -> bool:
        return size <= self._inline and (self._left is None or size <= self._left)

    async def _shared(self, file: File) -> str | None:
        return None if self._share is None else await self._share(file)


def presigned(ctx: Context, *, public: bool) -> Share:
    """Shares files of stores that make addresses which work without a credential.

    Args:
        public: Only addresses that the whole world can reach, over https, are of use.
    """

    async def share(file: File) -> str | None:
        left = SHARED_SECONDS
        if ctx.deadline is not None:
            left = min(left, (ctx.deadline - ctx.now()).total_seconds() + 60.0)
        if file.uri.startswith("artifact:") or left < 1:
            return None
        try:
            store = await ctx.open_store(file)
            if not isinstance(store, PresignsFiles):
                return None
            # Only stores that keep versions give references that name one.
            version = {"version_id": file.version} if file.version else {}
            address = await store.presign(file.uri, left, **version)
        except ActionError as error:
            ctx.log(f"the file {file.name!r} cannot be shared: {error.message}")
            return None
        parts = urlsplit(address)
        if public and (parts.scheme != "https" or not is_public_host(parts.hostname or "")):
            return None
        return address

    return share


def tell_of_files(ctx: Context) -> Tell:
    """Puts a line into the step's log for each file that was sent."""

    def tell(where: str, file: File, way: Way, size: int | None) -> None:
        ctx.log(f"the file {file.name!r} goes as {_ARTICLE[way]}", input=where, bytes=size, way=way)

    return tell


_ARTICLE: Mapping[Way, str] = {
    "data URL": "a data URL",
    "presigned address": "a presigned address",
    "upload": "an upload",
}
