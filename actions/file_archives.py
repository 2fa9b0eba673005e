"""Pack files into an archive, and take one apart."""

from __future__ import annotations

import mimetypes
from typing import Annotated, TypedDict

from hookline.sdk import Context, Example, Field, File, action, parse_size

from ._files.archives import Limits, open_archive, packed, unpacked
from ._files.fields import LARGEST, Cap, Of
from ._files.names import beside, plain_name
from ._files.progress import followed
from ._files.sources import source_of

__all__ = ["unzip", "zip_"]

_MOST_FILES = 10_000


class Zipped(TypedDict):
    """An archive that was made."""

    file: Annotated[File, Field("The archive, in the artifact store.")]
    bytes: Annotated[int | None, Field("Its size.")]
    names: Annotated[list[str], Field("The names of the files in it, in their order.")]


class Member(TypedDict):
    """A file out of an archive."""

    path: Annotated[str, Field("Where it was in the archive, such as photos/cat.png.")]
    name: Annotated[str, Field("Its name.")]
    bytes: Annotated[int | None, Field("Its size.")]
    file: Annotated[File, Field("Reference to it, in the artifact store.")]


class Unzipped(TypedDict):
    """What was in an archive."""

    files: Annotated[list[Member], Field("The files, in the archive's order. Folders are left out.")]
    bytes: Annotated[int, Field("Size of all of them.")]


@action(
    "files.zip",
    effect="read",
    summary="Packed {names} into {file[name]}",
    examples=(
        Example(
            {
                "files": [{"$file": "artifact:example", "name": "cat.txt"}, "s3://uploads/dog.png"],
                "name": "pets.zip",
            },
            title="Two files",
        ),
    ),
)
async def zip_(
    ctx: Context,
    files: Annotated[
        list[File | str],
        Field("The files: references, or addresses.", min_length=1, max_length=_MOST_FILES),
    ],
    name: Annotated[str, Field("Name of the archive.", max_length=200)] = "archive.zip",
    compress: Annotated[
        bool, Field("Compress; pictures and films only get slower by it.", advanced=True)
    ] = True,
    max_bytes: Cap = LARGEST,
) -> Zipped:
    """Zip files

    Makes a ZIP archive in the artifact store. Files of the same name get different ones. The same files
    always make the same archive: nothing says when it was made.
    """
    members = []
    taken: set[str] = set()
    for number, each in enumerate(files, start=1):
        source = await source_of(ctx, each)
        own = plain_name(source.file.name)
        if own.casefold() in taken:
            own = beside(own, str(number))
        taken.add(own.casefold())
        members.append((own, source))
    limit = parse_size(max_bytes, name="max_bytes")
    content = packed(members, compress=compress, limit=limit)
    file = await ctx.files.save(content, name=plain_name(name), mime="application/zip")
    return {"file": file, "bytes": file.bytes, "names": [own for own, _ in members]}


@action(
    "files.unzip",
    effect="read",
    summary="Unpacked {bytes} bytes",
    examples=(
        Example(
            {"file": {"$file": "artifact:example", "name": "pets.zip", "mime": "application/zip"}},
            title="A ZIP archive",
        ),
    ),
)
async def unzip(
    ctx: Context,
    file: Of,
    max_files: Annotated[
        int, Field("Most entries accepted, folders included.", minimum=1, maximum=_MOST_FILES)
    ] = 1000,
    max_bytes: Annotated[
        str | int, Field("Most bytes accepted, all files unpacked.", format="size", examples=["1GB"])
    ] = "1GB",
    max_ratio: Annotated[
        int,
        Field(
            "Most unpacked bytes for each packed one, of any file.", minimum=1, maximum=2000, advanced=True
        ),
    ] = 200,
) -> Unzipped:
    """Unzip an archive

    The files are kept in the artifact store. Nothing is unpacked of an archive that holds a link, an
    encrypted file, a path that leads out of it, the same name twice, or more than the limits allow. An
    archive inside it stays a file.
    """
    source = await source_of(ctx, file)
    limits = Limits(max_files, parse_size(max_bytes, name="max_bytes"), max_ratio)
    kept = await source.kept("Fetching", limits.bytes)
    found: list[Member] = []
    with open_archive(await ctx.files.local_path(kept), limits) as (archive, entries):
        for entry in entries:
            name = plain_name(entry.filename.rpartition("/")[2])
            content = followed(ctx, unpacked(archive, entry), f"Unpacking {name}", entry.file_size)
            mime = mimetypes.guess_type(name)[0] or "application/octet-stream"
            member = await ctx.files.save(content, name=name, mime=mime)
            found.append({"path": entry.filename, "name": name, "bytes": member.bytes, "file": member})
    return {"files": found, "bytes": sum(each["bytes"] or 0 for each in found)}
