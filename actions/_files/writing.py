"""Writing a file to an address, so that a repetition after a crash neither fails nor writes twice."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Literal

from hookline.sdk import AlreadyExists, Context, CopiesFiles, File, FileStore, IfExists, Writing

from .names import beside
from .progress import too_large
from .sources import Source

__all__ = ["CHOICES", "Choice", "Put", "put", "transfer"]

Open = Callable[[], AbstractAsyncContextManager[AsyncIterator[bytes]]]
Choice = Literal["overwrite", "fail", "rename", "skip"]
CHOICES: dict[Any, str] = {
    "overwrite": "Replace it.",
    "fail": "Fail, and leave it as it is.",
    "rename": "Leave it, and write under another name: cat.png becomes cat-1f3a9c2e.png.",
    "skip": "Leave it, and write nothing.",
}
_MARK = 8


@dataclass(frozen=True, slots=True)
class Put:
    """What became of it: the file under the address, and whether it was there and left alone."""

    file: File
    is_skipped: bool = False


def writing_of(ctx: Context, address: str, identity: str) -> Writing:
    """This step's writing of these bytes to this address, in whichever attempt."""
    text = "\n".join((ctx.run_id, ctx.step, address, identity))
    key = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]

    def noted() -> dict[str, Any]:
        return dict(ctx.notes.get("writing", {}))

    async def keep(**values: Any) -> None:
        every = noted()
        await ctx.note(writing={**every, key: {**every.get(key, {}), **values}})

    return Writing(key, noted().get(key, {}), keep)


async def put(
    ctx: Context,
    store: FileStore,
    address: str,
    content: Open,
    *,
    identity: str,
    mime: str = "",
    size: int | None = None,
    choice: Choice = "overwrite",
    copy_of: str = "",
) -> Put:
    """Write `content` to `address`.

    Args:
        identity: Tells the bytes from others.
        copy_of: An address of the same store that it copies itself, in place of `content`.

    Raises:
        AlreadyExists: Another file is there, and `choice` is ``fail``.
    """
    # The trigger that watches the place can tell what this installation wrote itself.
    metadata = {"hookline-run": ctx.run_id, "hookline-workflow": ctx.workflow}

    async def write(at: str, if_exists: IfExists) -> File:
        writing = writing_of(ctx, at, identity)
        if copy_of and isinstance(store, CopiesFiles):
            return await store.copy(
                copy_of, at, mime=mime, metadata=metadata, if_exists=if_exists, writing=writing
            )
        async with content() as pieces:
            return await store.write(
                at, pieces, mime=mime, metadata=metadata, size=size, if_exists=if_exists, writing=writing
            )

    if choice == "overwrite":
        return Put(await write(address, "overwrite"))
    try:
        return Put(await write(address, "fail"))
    except AlreadyExists:
        if choice == "fail":
            raise
    if choice == "skip":
        ctx.log(f"{address} is there already and was left as it is")
        return Put(await store.stat(address), is_skipped=True)
    # The name says which writing made it, so that a repetition comes to the same one.
    other = beside(address, writing_of(ctx, address, identity).key[:_MARK])
    return Put(await write(other, "fail"))


async def transfer(
    ctx: Context,
    source: Source,
    address: str,
    *,
    doing: str,
    connection: str = "",
    mime: str = "",
    choice: Choice = "overwrite",
    limit: int | None = None,
) -> Put:
    """Copy what was named to an address; within one store, the store does it.

    Raises:
        AlreadyExists: Another file is there, and `choice` is ``fail``.
        BadInput: C026, or the address cannot be used.
    """
    store, file = await ctx.open_store(address, connection), source.file
    # By itself a store copies what is newest; a reference may mean the version that was there before.
    is_newest = file.version is None
    within = is_newest and isinstance(store, CopiesFiles) and await source.kept_by() is store
    if within and limit is not None and (file.bytes or 0) > limit:
        raise too_large(file.name, limit)
    return await put(
        ctx,
        store,
        address,
        lambda: source.pieces(doing, limit),
        identity=source.identity,
        # A reference may know better than the address; a store that copies keeps what it has.
        mime=mime or ("" if within else file.mime),
        size=file.bytes,
        choice=choice,
        copy_of=file.uri if within else "",
    )
