"""A run's history on its way to the store and back: encoding, spilling, masking.

A value of more than `SPILL_BYTES` goes to the artifact store and leaves a reference
``{"$spill": sha256}`` in the chunk, so that a row stays small however large an output is.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from hookline.core import events as ev
from hookline.core.state import Entry
from hookline.store.artifacts import Artifacts
from hookline.store.port import Chunk, StoreUnavailable

__all__ = ["REMOTE_SPILL_BYTES", "SPILL_BYTES", "Journal", "dump_json"]

Json = Any

SPILL_BYTES = 64 * 1024
"""Size in bytes from which a chunk's large values are kept as artifacts, in a folder."""

REMOTE_SPILL_BYTES = 1024 * 1024
"""The same where each of them takes requests to an object store, and the run waits for them."""

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode


_encode_ascii = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode


def dump_json(value: Json) -> str:
    """Compact JSON.

    Raises:
        TypeError, ValueError: The value is not JSON: a set, NaN, a reference to itself.
    """
    return _encode(value)


class Journal:
    """Writes and reads chunks.

    Args:
        artifacts: Where large values go.
        mask: Replaces known secrets in a text; what it gives is JSON if the text was.
        spill_bytes: Size from which a chunk's large values are kept as artifacts.
    """

    def __init__(
        self, artifacts: Artifacts, mask: Callable[[str], str] = str, spill_bytes: int = SPILL_BYTES
    ) -> None:
        self._artifacts = artifacts
        self._mask = mask
        self._spill_bytes = spill_bytes

    def encode(self, first_seq: int, at: float, events: Sequence[ev.Event]) -> Chunk:
        """Events that were recorded together.

        Raises:
            TypeError, ValueError: A value in them is not JSON.
        """
        records = [ev.to_record(event) for event in events]
        body = _encode(records)
        if len(body) > self._spill_bytes:
            body = _encode([(kind, path, self._spill(data)) for kind, path, data in records])
        if not body.isascii():
            try:
                body.encode()
            except UnicodeEncodeError:
                # Half of a character's pair, from a sender who escapes it; only an escape can hold it.
                body = _encode_ascii(json.loads(body))
        return Chunk(first_seq, at, self._mask(body), len(events))

    def masked(self, value: Json) -> Json:
        """A value as the store will have it: with known secrets replaced.

        Raises:
            TypeError, ValueError: It is not JSON.
        """
        text = _encode(value)
        shown = self._mask(text)
        return value if shown == text else json.loads(shown)

    def _spill(self, data: dict[str, Json]) -> dict[str, Json]:
        spilled = {}
        for name, value in data.items():
            text = _encode(value)
            if len(text) > self._spill_bytes // 4:
                # Without room for an artifact it stays in the row, which waits for the database.
                with contextlib.suppress(StoreUnavailable):
                    stored = self._artifacts.save(self._mask(text).encode())
                    value = {"$spill": stored.sha256}
            spilled[name] = value
        return spilled

    def decode(self, chunks: Iterable[Chunk]) -> list[Entry]:
        """Chunks in order of their numbers.

        Raises:
            ValueError: There is a gap, or an event of a newer version.
            ArtifactMissing, CorruptStore: A large value cannot be read.
        """
        entries: list[Entry] = []
        for chunk in chunks:
            if chunk.seq != len(entries):
                raise ValueError(f"the history has a gap: event {len(entries)} is missing")
            for kind, path, data in json.loads(chunk.body):
                event = ev.from_record(kind, path, self._unspill(data))
                entries.append(Entry(len(entries), chunk.at, event))
        return entries

    def _unspill(self, data: dict[str, Json]) -> dict[str, Json]:
        for name, value in data.items():
            if type(value) is dict and len(value) == 1 and "$spill" in value:
                data[name] = json.loads(self._artifacts.read(value["$spill"]))
        return data
