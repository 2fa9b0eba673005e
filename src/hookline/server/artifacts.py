"""``/artifacts/<sha256>`` and ``/static/<name>``: files, without giving any of them a say in our pages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from flask import Response, current_app, request

import hookline
from hookline.engine.engine import Engine, EngineError
from hookline.store.artifacts import ArtifactMissing

from . import thumbnails
from .routes import Answer, Parameter, Routes

__all__ = [
    "SAFE_TYPES",
    "artifact_of",
    "artifact_url",
    "artifacts",
    "download",
    "small_picture",
    "thumbnail_url",
]

artifacts = Routes(is_listed=False)

SAFE_TYPES = {
    "image/png": "png",
    "image/jpeg": "jpg",
    "image/gif": "gif",
    "image/webp": "webp",
    "audio/mpeg": "mp3",
    "audio/wav": "wav",
    "video/mp4": "mp4",
    "video/webm": "webm",
    "application/pdf": "pdf",
    "application/json": "json",
    "text/plain": "txt",
}
"""Media types that are sent as such, with their suffix; everything else is a row of bytes."""

_STATIC = Path(hookline.__file__).parent / "web" / "static"
_STATIC_TYPES = {".css": "text/css", ".svg": "image/svg+xml", ".js": "text/javascript"}
_STATIC_NAME = re.compile(r"[a-z0-9-]+\.(?:css|svg|js)")


@artifacts.get(
    "/artifacts/<sha256>",
    permission="read",
    answers={200: Answer("The bytes.", None, "application/octet-stream")},
    problems=(404,),
    parameters=(Parameter("type", "Media type to send it as, when it is a harmless one."),),
)
def artifact(sha256: str) -> Response:
    """A file that a run has kept, as a download."""
    return download(sha256)


def download(sha256: str) -> Response:
    """A kept file, so that it is never a page of ours.

    Raises:
        EngineError: S404, there is none.
    """
    engine: Engine = current_app.extensions["hookline"]
    try:
        size = engine.artifacts.size(sha256)
    except ArtifactMissing as error:
        raise EngineError("there is no such file", code="S404", status=404) from error
    media_type = request.args.get("type", "")
    suffix = SAFE_TYPES.get(media_type)
    if suffix is None:
        media_type, suffix = "application/octet-stream", "bin"
    response = Response(_pieces(engine, sha256), content_type=media_type)
    response.content_length = size
    # Never shown by the browser as a page of ours: neither the type nor the name is the sender's.
    response.headers["Content-Disposition"] = f'attachment; filename="{sha256[:16]}.{suffix}"'
    response.headers["Content-Security-Policy"] = "sandbox; default-src 'none'; frame-ancestors 'none'"
    response.headers["Cache-Control"] = "private, max-age=31536000, immutable"
    return response


@artifacts.get(
    "/artifacts/<sha256>/thumbnail",
    permission="read",
    answers={200: Answer("A small picture.", None, "image/jpeg")},
    problems=(404,),
)
def artifact_thumbnail(sha256: str) -> Response:
    """A kept picture, small."""
    return small_picture(sha256)


def small_picture(sha256: str) -> Response:
    """A kept picture, made small and encoded anew, so that nothing of the sender's own bytes is shown.

    Raises:
        EngineError: S404, there is none, or it is no picture.
    """
    engine: Engine = current_app.extensions["hookline"]
    try:
        is_small = engine.artifacts.size(sha256) <= thumbnails.MAX_BYTES
        content = thumbnails.thumbnail(engine.artifacts.read(sha256)) if is_small else None
    except ArtifactMissing:
        content = None
    if content is None:
        raise EngineError("there is no such picture", code="S404", status=404)
    response = Response(content, content_type="image/jpeg")
    response.headers["Content-Security-Policy"] = "sandbox; default-src 'none'"
    response.headers["Cache-Control"] = "private, max-age=31536000, immutable"
    return response


def _pieces(engine: Engine, sha256: str) -> Iterator[bytes]:
    yield from engine.artifacts.pieces(sha256)


def artifact_of(reference: dict[str, object]) -> str | None:
    """The digest of a file reference's content, None when it is not kept here."""
    sha256 = reference.get("sha256")
    if not str(reference.get("$file", "")).startswith("artifact:") or not isinstance(sha256, str):
        return None
    return sha256 if re.fullmatch(r"[0-9a-f]{64}", sha256) else None


def artifact_url(reference: dict[str, object], at: str = "/artifacts") -> str | None:
    """The address of a file reference's content, None when it is not kept here.

    Args:
        at: Under which address files are served to whoever looks.
    """
    sha256, media_type = artifact_of(reference), reference.get("mime")
    if sha256 is None:
        return None
    return f"{at}/{sha256}?type={media_type}" if media_type in SAFE_TYPES else f"{at}/{sha256}"


def thumbnail_url(reference: dict[str, object], at: str = "/artifacts") -> str | None:
    """The address of a small picture of a file, None when there is none."""
    sha256 = artifact_of(reference)
    if sha256 is None or not thumbnails.is_available() or reference.get("mime") not in thumbnails.TYPES:
        return None
    return f"{at}/{sha256}/thumbnail"


@artifacts.get(
    "/static/<name>",
    permission="open",
    answers={200: Answer("The file.", None, "text/css")},
    problems=(404,),
)
def static(name: str) -> Response:
    """Style sheets and pictures of the pages."""
    path = _STATIC / name
    if not _STATIC_NAME.fullmatch(name) or not path.is_file():
        raise EngineError("there is no such file", code="S404", status=404)
    response = Response(path.read_bytes(), content_type=f"{_STATIC_TYPES[path.suffix]}; charset=utf-8")
    response.headers["Cache-Control"] = "public, max-age=300"
    return response
