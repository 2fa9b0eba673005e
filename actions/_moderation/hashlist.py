"""The provider ``hashlist``: pictures that are known already, also resized or recompressed."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass

from hookline.sdk.moderation import Assessment, Finding

from .lists import Entry, bad_line
from .pictures import BITS, Algorithm, NotDecodable, dhash, frames, phash

__all__ = ["assess_picture"]

_HASH = re.compile(r"(?:(dhash|phash):)?([0-9a-fA-F]{16})")


@dataclass(frozen=True, slots=True)
class _Known:
    algorithm: Algorithm
    number: int
    entry: Entry


def assess_picture(
    content: bytes, listed: Iterable[Entry], algorithm: Algorithm, max_distance: int
) -> Assessment:
    """Compare a picture, every frame of it, with a list of hashes. It takes a while: decode in a thread.

    Args:
        listed: ``dhash:0f1e…`` or ``phash:0f1e…``, or 16 hexadecimal digits alone.
        algorithm: What digits alone are.
        max_distance: How many of the 64 bits may differ.

    Raises:
        BadInput: An entry is no hash, or so plain that it is near every plain picture (C033).
        ImportError: Pillow is not installed.
    """
    known = [_parse(entry, algorithm, max_distance) for entry in listed]
    wanted = sorted({each.algorithm for each in known})
    found: dict[str, set[str]] = {each.entry.category: set() for each in known}
    try:
        for frame in frames(content):
            numbers = {name: phash(frame) if name == "phash" else dhash(frame) for name in wanted}
            for each in known:
                if (numbers[each.algorithm] ^ each.number).bit_count() <= max_distance:
                    found[each.entry.category].add(each.entry.list_name)
    except NotDecodable as error:
        return Assessment(unsupported=f"the picture was not examined: {error}")
    digest = hashlib.sha256("\n".join(f"{each.algorithm}:{each.number:016x}" for each in known).encode())
    return Assessment(
        findings=[
            Finding(
                name=category,
                score=1.0 if lists else 0.0,
                score_kind="label_only",
                provider_name=", ".join(sorted(lists)),
                applied_to=("image",),
            )
            for category, lists in sorted(found.items())
        ],
        flagged=any(found.values()),
        model=f"hashlist-{digest.hexdigest()[:12]}",
    )


def _parse(entry: Entry, algorithm: Algorithm, max_distance: int) -> _Known:
    match = _HASH.fullmatch(entry.text)
    if match is None:
        raise bad_line(entry.source, "an entry is 16 hexadecimal digits, with dhash: or phash: before them")
    number = int(match[2], 16)
    if not max_distance < number.bit_count() < BITS - max_distance:
        raise bad_line(entry.source, "a hash this plain is near every picture of one colour")
    named: Algorithm = algorithm if match[1] is None else "dhash" if match[1] == "dhash" else "phash"
    return _Known(named, number, entry)
