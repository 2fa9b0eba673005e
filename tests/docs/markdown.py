"""What the documentation holds: pages, fenced blocks, links, command lines."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")])

_FENCE = re.compile(
    r"^(?P<indent> *)```(?P<language>[\w-]*)[^\n]*\n(?P<text>.*?)^(?P=indent)```", re.M | re.S
)
_LINK = re.compile(r"\[[^\]]*\]\((?P<target>[^)\s]+)\)")
_HEADING = re.compile(r"^#{1,6} +(?P<text>.+?) *#*$", re.M)
_FILE_OF_BLOCK = re.compile(r"`(?P<path>[\w./-]+)`:\n\n$")


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block.

    Attributes:
        line: One-based line of its first line of text.
        file: The path that the page gives it, ``""`` when it gives none.
    """

    page: Path
    line: int
    language: str
    text: str
    file: str

    def __str__(self) -> str:
        return f"{name(self.page)}:{self.line}"


def name(page: Path) -> str:
    """A page's path, relative to the repository."""
    return page.relative_to(ROOT).as_posix()


@cache
def blocks(page: Path) -> tuple[Block, ...]:
    """The fenced blocks of a page."""
    text = page.read_text("utf-8")
    found = []
    for match in _FENCE.finditer(text):
        before = text[: match.start()]
        labelled = _FILE_OF_BLOCK.search(before)
        indent = len(match["indent"])
        body = "".join(line[indent:] for line in match["text"].splitlines(keepends=True))
        file = labelled["path"] if labelled else ""
        found.append(Block(page, before.count("\n") + 2, match["language"], body, file))
    return tuple(found)


def all_blocks(*languages: str) -> list[Block]:
    """The blocks of all pages in one of these languages."""
    return [block for page in PAGES for block in blocks(page) if block.language in languages]


def prose(page: Path) -> str:
    """A page without its fenced blocks and its comments."""
    return re.sub(r"<!--.*?-->", "", _FENCE.sub("", page.read_text("utf-8")), flags=re.S)


def links(page: Path) -> Iterator[str]:
    """The targets of a page's links."""
    return (match["target"] for match in _LINK.finditer(re.sub(r"`[^`\n]*`", "", prose(page))))


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    found: set[str] = set()
    for match in _HEADING.finditer(prose(page)):
        text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", match["text"]).lower()
        anchor = re.sub(r"[^\w\- ]", "", text).replace(" ", "-")
        number = 0
        while (unique := f"{anchor}-{number}" if number else anchor) in found:
            number += 1
        found.add(unique)
    return found


def command_lines(page: Path) -> Iterator[str]:
    """Every ``hookline …`` in a page's shell blocks and in its inline code."""
    for block in blocks(page):
        if block.language in ("sh", "console", "bash", "shell"):
            # A line that ends with a backslash goes on in the next one.
            for line in block.text.replace("\\\n", " ").splitlines():
                line = re.sub(r"(^|\s)#.*$", "", line).removeprefix("$ ")
                for part in re.split(r"&&|\|\||;|\|", line):
                    yield from _hookline(part)
    for match in re.finditer(r"`([^`\n]+)`", prose(page)):
        yield from _hookline(match[1])


def _hookline(text: str) -> Iterator[str]:
    found = re.match(r"\s*(?:[A-Z_]+=\S+\s+)*(hookline(?:\s.*)?)$", text)
    if found:
        yield found[1].strip()
