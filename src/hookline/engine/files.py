"""Files for components: the artifact store, and what connections can read."""

from __future__ import annotations

import asyncio
import mimetypes
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from hookline.sdk import BadInput, File, FileStore, InternalError, NotFound, Unavailable
from hookline.store.artifacts import ArtifactMissing, Artifacts, ArtifactTooLarge
from hookline.store.port import CorruptStore, StoreUnavailable

__all__ = ["EngineFiles", "OpenReferred"]

OpenReferred = Callable[[File], Awaitable[FileStore]]
"""``await open_referred(file)``: the store that keeps what a reference names."""

ARTIFACT = "artifact:"


class EngineFiles:
    """`hookline.sdk.Files`."""

    def __init__(self, artifacts: Artifacts, open_referred: OpenReferred) -> None:
        self._artifacts = artifacts
        self._open_referred = open_referred

    async def read(self, file: File, *, max_bytes: int | None = None) -> bytes:
        if file.bytes is not None and max_bytes is not None and file.bytes > max_bytes:
            raise BadInput(f"{file.name} has {file.bytes} bytes; at most {max_bytes} are taken", code="C930")
        pieces = bytearray()
        async with self.stream(file) as stream:
            async for piece in stream:
                pieces += piece
                if max_bytes is not None and len(pieces) > max_bytes:
                    raise BadInput(f"{file.name} has more than {max_bytes} bytes", code="C930")
        return bytes(pieces)

    @asynccontextmanager
    async def stream(self, file: File) -> AsyncIterator[AsyncIterator[bytes]]:
        if file.uri.startswith(ARTIFACT):
            yield self._artifact_pieces(file)
            return
        store: Any = await self._open_referred(file)
        # Only stores that keep versions give references that name one.
        version = {"version_id": file.version} if file.version else {}
        async with store.stream(file.uri, **version) as pieces:
            yield pieces

    async def _artifact_pieces(self, file: File) -> AsyncIterator[bytes]:
        try:
            pieces = await asyncio.to_thread(self._artifacts.pieces, file.uri.removeprefix(ARTIFACT))
            # A disk, or an object store, must not keep the loop from everybody else.
            while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
                yield piece
        except ArtifactMissing as error:
            raise NotFound(str(error), code="C931") from error
        except CorruptStore as error:
            raise InternalError(str(error), code="C932") from error
        except StoreUnavailable as error:
            raise Unavailable(str(error), code="C933") from error

    async def save(self, content: bytes | AsyncIterator[bytes], *, name: str, mime: str = "") -> File:
        name = safe_name(name)
        try:
            if isinstance(content, bytes):
                stored = await asyncio.to_thread(self._artifacts.save, content)
            else:
                stored = await self._artifacts.save_stream(content)
        except ArtifactTooLarge as error:
            raise BadInput(str(error), code="C930") from error
        except StoreUnavailable as error:
            raise Unavailable(str(error), code="C933") from error
        return stored_file(stored.sha256, stored.size, name, mime)

    async def local_path(self, file: File) -> Path:
        if not file.uri.startswith(ARTIFACT):
            async with self.stream(file) as pieces:
                file = await self.save(pieces, name=file.name, mime=file.mime)
        try:
            return await asyncio.to_thread(self._artifacts.path, file.uri.removeprefix(ARTIFACT))
        except ArtifactMissing as error:
            raise NotFound(str(error), code="C931") from error
        except CorruptStore as error:
            raise InternalError(str(error), code="C932") from error
        except StoreUnavailable as error:
            raise Unavailable(str(error), code="C933") from error


def stored_file(sha256: str, size: int, name: str, mime: str = "") -> File:
    """The reference of a kept content."""
    mime = mime or mimetypes.guess_type(name)[0] or _type_by_ending(name)
    return File(f"{ARTIFACT}{sha256}", name=name, mime=mime, bytes=size, sha256=sha256)


_TYPES: Mapping[str, str] = {
    "avif": "image/avif",
    "flac": "audio/flac",
    "glb": "model/gltf-binary",
    "m4a": "audio/mp4",
    "ogg": "audio/ogg",
    "webp": "image/webp",
}
"""What models make, and Python does not know on every machine."""


def _type_by_ending(name: str) -> str:
    return _TYPES.get(name.rpartition(".")[2].lower(), "application/octet-stream")


def safe_name(name: str) -> str:
    """A file name without folders and control characters; for people, never for a path of ours."""
    last = name.replace("\\", "/").rpartition("/")[2]
    cleaned = "".join(char for char in last if char.isprintable()).strip(". ")
    return cleaned[:200] or "file"
