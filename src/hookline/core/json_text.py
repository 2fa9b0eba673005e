"""Compact JSON text."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

__all__ = ["json_encoder"]

Json = Any


def json_encoder(*, allow_nan: bool) -> Callable[[Json], str]:
    """A function that writes compact JSON, with characters beyond ASCII as they are.

    It raises TypeError, ValueError or RecursionError when a value is not JSON, such as a set, or refers to
    itself. NaN is not JSON either, unless `allow_nan`.

    `json.JSONEncoder` makes its encoder in C anew for every text, which takes longer than to write a small
    one; this keeps it. Where Python has none in C, it is the same as ``JSONEncoder.encode``.
    """
    encoder = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, allow_nan=allow_nan)
    make = getattr(json.encoder, "c_make_encoder", None)
    if make is None:
        return encoder.encode
    text_of = json.encoder.encode_basestring
    pieces = make(None, encoder.default, text_of, None, ":", ",", False, False, allow_nan)
    return lambda value: "".join(pieces(value, 0))
