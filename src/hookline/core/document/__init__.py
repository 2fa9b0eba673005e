"""Texts to values: strict reading of JSON with comments, YAML and plain JSON.

`read` gives a definition's value together with the position of everything in it; `strict_json` reads
the body of a request. Both refuse what would be read differently by two readers (duplicate keys,
NaN, numbers beyond 64 bits, NUL, lone surrogates) and what is too large, before it costs anything.
"""

from hookline.core.document.model import (
    Document,
    DocumentError,
    DocumentLimits,
    Node,
    join_pointer,
    split_pointer,
)
from hookline.core.document.reader import Syntax, read
from hookline.core.document.strict import strict_json

__all__ = [
    "Document",
    "DocumentError",
    "DocumentLimits",
    "Node",
    "Syntax",
    "join_pointer",
    "read",
    "split_pointer",
    "strict_json",
]
