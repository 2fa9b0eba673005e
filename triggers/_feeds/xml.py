"""XML from strangers, as a small tree: no document types, no entities, bounded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NoReturn
from xml.parsers import expat

__all__ = ["Node", "UnsafeXml", "read_xml"]

MAX_DEPTH = 64
MAX_NODES = 100_000


class UnsafeXml(ValueError):
    """It is not XML, or not XML as it is accepted; the message says why."""


@dataclass(slots=True)
class Node:
    """An element.

    Attributes:
        name: With its namespace before a blank: ``http://www.w3.org/2005/Atom entry``.
        parts: Texts and elements, in order.
    """

    name: str
    attributes: dict[str, str]
    parts: list[str | Node] = field(default_factory=list)

    @property
    def local(self) -> str:
        """The name without its namespace."""
        return self.name.rpartition(" ")[2]

    @property
    def text(self) -> str:
        """All texts in it, however deep."""
        return "".join(self._texts()).strip()

    def _texts(self) -> Iterator[str]:
        for part in self.parts:
            if isinstance(part, Node):
                yield from part._texts()
            else:
                yield part

    def children(self, *names: str) -> list[Node]:
        """Elements directly below, of one of these names (with namespace, if any)."""
        return [part for part in self.parts if isinstance(part, Node) and part.name in names]

    def child(self, *names: str) -> Node | None:
        """The first of them, in the order of the names."""
        for name in names:
            if found := self.children(name):
                return found[0]
        return None


def read_xml(content: bytes) -> Node:
    """The root element.

    Raises:
        UnsafeXml: It is not well formed, has a document type, or is too deep or too large.
    """
    parser = expat.ParserCreate(namespace_separator=" ")
    # What is not declared cannot be expanded, and what names a file is never opened.
    parser.StartDoctypeDeclHandler = _refuse
    parser.EntityDeclHandler = _refuse
    parser.ExternalEntityRefHandler = _refuse
    parser.buffer_text = True
    top = Node("", {})
    open_nodes = [top]
    count = 0

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal count
        count += 1
        if count > MAX_NODES or len(open_nodes) > MAX_DEPTH:
            raise UnsafeXml("the XML is too large or too deep")
        node = Node(name, attributes)
        open_nodes[-1].parts.append(node)
        open_nodes.append(node)

    def end(name: str) -> None:
        open_nodes.pop()

    def text(data: str) -> None:
        open_nodes[-1].parts.append(data)

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = text
    try:
        parser.Parse(content, True)
    except (expat.ExpatError, LookupError, ValueError) as error:
        if isinstance(error, UnsafeXml):
            raise
        raise UnsafeXml(f"it is not well-formed XML: {error}") from error
    root = top.parts[0]
    assert isinstance(root, Node)
    return root


def _refuse(*_: object) -> NoReturn:
    raise UnsafeXml("the XML has a document type or entities, which are not read")
