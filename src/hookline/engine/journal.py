"""A run's history on its way to the store and back: encoding, spilling, masking.

In a chunk of more than `SPILL_BYTES`, large values go to the artifact store and leave a reference
``{"$spill": sha256}``, so that a row stays small however large an output is. A value that only looks
like a reference is wrapped into ``{"$spill": {"value": …}}``.

An object store may take as long as it likes, so nobody who holds up others may wait for it. `Journal.encode`
leaves the values in such a chunk; they leave it on the way to the database, see `spilling`. They are
fetched on a thread before a history is read: `Journal.fetch`.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

from hookline.core import events as ev
from hookline.core.json_text import json_encoder
from hookline.core.state import Entry
from hookline.store.artifacts import ArtifactMissing, Artifacts
from hookline.store.port import Chunk, StoreError, StoreUnavailable

__all__ = ["REMOTE_SPILL_BYTES", "SPILL_BYTES", "Fetched", "Journal", "dump_json"]

log = logging.getLogger(__name__)

Json = Any

Fetched: TypeAlias = Mapping[str, "bytes | Exception"]
"""Large values by their digest, or why they could not be fetched."""

SPILL_BYTES = 64 * 1024
"""Size in bytes from which a chunk's large values are kept as artifacts, in a folder."""

REMOTE_SPILL_BYTES = 1024 * 1024
"""The same where each of them takes requests to an object store, and the run waits for them."""

_REFERENCE, _SAME_TEXT = '"$spill"', '"\\u0024spill"'
"""A key of the journal's own, and what it is written as where it is data: the same JSON, but nobody
who looks for references in texts (`hookline.store.mentions`) takes it for one."""

_HALF = re.compile("[\ud800-\udfff]")
"""Half of a character's pair, from a sender who escapes it; only an escape can hold it."""

_encode = json_encoder(allow_nan=False)


def dump_json(value: Json) -> str:
    """Compact JSON.

    Raises:
        TypeError, ValueError, RecursionError: The value is not JSON: a set, NaN, a reference to itself.
    """
    return _encode(value)


class Journal:
    """Writes and reads chunks.

    Args:
        artifacts: Where large values go.
        mask: Replaces known secrets in a text; what it gives is JSON if the text was.
        spill_bytes: Size from which a chunk's large values are kept as artifacts.
        is_remote: Whether the artifacts are in an object store, for which nobody may be held up.
    """

    def __init__(
        self,
        artifacts: Artifacts,
        mask: Callable[[str], str] = str,
        spill_bytes: int = SPILL_BYTES,
        *,
        is_remote: bool = False,
    ) -> None:
        self._artifacts = artifacts
        self._mask = mask
        self._spill_bytes = spill_bytes
        self._is_remote = is_remote

    def encode(self, first_seq: int, at: float, events: Sequence[ev.Event]) -> Chunk:
        """Events that were recorded together.

        Raises:
            TypeError, ValueError: A value in them is not JSON.
        """
        records = [ev.to_record(event) for event in events]
        body = _encode(records)
        if _REFERENCE in body:
            records = [ev.Record(kind, path, _plain(data)) for kind, path, data in records]
            body = _encode(records).replace(_REFERENCE, _SAME_TEXT)
        if len(body) > self._spill_bytes and not self._is_remote:
            try:
                body = self._spill(records)
            except StoreUnavailable as error:
                # Without room for an artifact it stays in the row, which waits for the database.
                log.warning("%s: large values stay in the database: %s", error.code, error)
        return Chunk(first_seq, at, self._mask(_storable(body)), len(events))

    def is_large(self, chunk: Chunk) -> bool:
        """Whether `spilled` is for this chunk to be called, on a thread that may wait."""
        return self._is_remote and len(chunk.body) > self._spill_bytes

    def spilled(self, chunk: Chunk) -> Chunk:
        """The chunk without its large values, which are kept as artifacts when this returns.

        Raises:
            StoreUnavailable: They cannot be kept; some of them may be.
        """
        return replace(chunk, body=_storable(self._spill(json.loads(chunk.body))))

    def masked(self, value: Json) -> Json:
        """A value as the store will have it: with known secrets replaced.

        Raises:
            TypeError, ValueError: It is not JSON.
        """
        text = _encode(value)
        shown = self._mask(text)
        return value if shown == text else json.loads(shown)

    def _spill(self, records: Iterable[tuple[str, str, dict[str, Json]]]) -> str:
        """The body with references in place of large values. No other value in it looks like one."""
        return _list(
            _list((_encode(kind), _encode(path), self._spill_fields(data))) for kind, path, data in records
        )

    def _spill_fields(self, data: dict[str, Json]) -> str:
        fields = []
        for name, value in data.items():
            text = _encode(value).replace(_REFERENCE, _SAME_TEXT)
            if len(text) > self._spill_bytes // 4:
                stored = self._artifacts.save(self._mask(_storable(text)).encode())
                text = f'{{{_REFERENCE}:"{stored.sha256}"}}'
            fields.append(f"{_encode(name)}:{text}")
        return f"{{{','.join(fields)}}}"

    def to_fetch(self, chunks: Iterable[Chunk]) -> frozenset[str]:
        """Digests of the large values that are to be fetched before the chunks are read."""
        if not self._is_remote:
            return frozenset()
        bodies = (json.loads(chunk.body) for chunk in chunks if _REFERENCE in chunk.body)
        found = (_digest(value) for body in bodies for _, _, data in body for value in data.values())
        return frozenset(digest for digest in found if digest is not None)

    def fetch(self, digests: Iterable[str]) -> Fetched:
        """Read large values, on a thread that may wait."""
        fetched: dict[str, bytes | Exception] = {}
        for digest in digests:
            try:
                fetched[digest] = self._artifacts.read(digest)
            except (ArtifactMissing, StoreError) as error:
                fetched[digest] = error
        return fetched

    def decode(self, chunks: Iterable[Chunk], fetched: Fetched | None = None) -> list[Entry]:
        """Chunks in order of their numbers.

        Args:
            fetched: The large values; None has them read here and now.

        Raises:
            ValueError: There is a gap, or an event of a newer version.
            ArtifactMissing, CorruptStore: A large value cannot be read.
        """
        entries: list[Entry] = []
        for chunk in chunks:
            if chunk.seq != len(entries):
                raise ValueError(f"the history has a gap: event {len(entries)} is missing")
            for kind, path, data in json.loads(chunk.body):
                event = ev.from_record(kind, path, self._unspill(data, fetched))
                entries.append(Entry(len(entries), chunk.at, event))
        return entries

    def _unspill(self, data: dict[str, Json], fetched: Fetched | None) -> dict[str, Json]:
        for name, value in data.items():
            if type(value) is not dict or len(value) != 1 or "$spill" not in value:
                continue
            digest = _digest(value)
            if digest is not None:
                data[name] = value = json.loads(self._read(digest, fetched))
            if _is_wrapped(value):
                data[name] = value["$spill"]["value"]
        return data

    def _read(self, digest: str, fetched: Fetched | None) -> bytes:
        found = self._artifacts.read(digest) if fetched is None else fetched[digest]
        if isinstance(found, Exception):
            raise found
        return found


def _digest(value: Json) -> str | None:
    """What a reference refers to; None for anything else."""
    found = value.get("$spill") if type(value) is dict and len(value) == 1 else None
    return found if isinstance(found, str) else None


def _is_wrapped(value: Json) -> bool:
    return type(value) is dict and len(value) == 1 and type(value.get("$spill")) is dict


def _plain(data: dict[str, Json]) -> dict[str, Json]:
    """Values of which none looks like a reference."""
    return {
        name: {"$spill": {"value": value}} if type(value) is dict and "$spill" in value else value
        for name, value in data.items()
    }


def _storable(text: str) -> str:
    """The same JSON, so that it can be written as UTF-8."""
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            return _HALF.sub(lambda half: f"\\u{ord(half[0]):04x}", text)
    return text


def _list(texts: Iterable[str]) -> str:
    return f"[{','.join(texts)}]"
