"""Links lead somewhere, commands exist, decisions are listed, and nothing names the machine."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from urllib.parse import unquote

import click
import pytest
from click.testing import CliRunner

from hookline.cli.root import root

from .markdown import PAGES, ROOT, anchors, command_lines, links, name

INDEX = ROOT / "docs" / "README.md"
DECISIONS = sorted((ROOT / "docs" / "adr").glob("*.md"))
MACHINE = re.compile(r"(?<![\w.])/(?:work|tmp|root|home|opt|Users)/[\w.]|pip\.conf|index-url")
README_LINES = 150

COMING = frozenset(
    {
        "docs/explanation/durability.md",
    }
)
"""Pages that are being written and may be linked to already; a page that is there leaves this table."""

by_page = pytest.mark.parametrize("page", PAGES, ids=name)


@by_page
def test_relative_links_resolve(page: Path) -> None:
    for target in links(page):
        if target.startswith(("https://", "http://", "mailto:")):
            continue
        path, _, anchor = unquote(target).partition("#")
        found = (page.parent / path).resolve() if path else page
        assert found.is_relative_to(ROOT), f"{target} leads out of the repository"
        if name(found) in COMING and not found.exists():
            continue
        assert found.exists(), f"{target} leads nowhere"
        if anchor and found.suffix == ".md":
            assert anchor in anchors(found), f"{target}: there is no such heading"


@by_page
def test_links_to_elsewhere_are_https(page: Path) -> None:
    assert [target for target in links(page) if target.startswith("http://")] == []


@by_page
def test_nothing_names_the_machine(page: Path) -> None:
    assert MACHINE.findall(page.read_text("utf-8")) == []


@by_page
def test_every_command_line_exists(page: Path) -> None:
    for line in command_lines(page):
        missing = what_is_missing(line)
        assert missing is None, f"`{line}`: {missing}"


def what_is_missing(line: str) -> str | None:
    """What a ``hookline …`` command line names that does not exist."""
    # In `hookline runs list|show` and `hookline explain CODE…` people read alternatives and ellipses.
    words = shlex.split(line.replace("…", ""))[1:]
    command: click.Command = root
    context = click.Context(root, info_name="hookline")
    # A word in capitals stands for what the reader puts there.
    while words and isinstance(command, click.Group) and not (words[0].startswith("-") or words[0].isupper()):
        found = command.get_command(context, words[0])
        if found is None:
            return f"there is no command {words[0]!r}"
        command, context = found, click.Context(found, info_name=words.pop(0), parent=context)
    helped = CliRunner().invoke(command, ["--help"], obj=None)
    if helped.exit_code != 0:
        return f"its --help fails: {helped.output}"
    known = {option for parameter in command.params for option in parameter.opts + parameter.secondary_opts}
    known |= {*context.help_option_names, "-h", "--help"}
    for word in words:
        option = word.partition("=")[0]
        if re.fullmatch(r"--?[a-z][a-z-]*", option) and option not in known:
            return f"there is no option {option!r}"
    return None


@pytest.mark.parametrize(
    ("line", "missing"),
    [
        ("hookline validate --format json", None),
        ("hookline runs show RUN --json", None),
        ("hookline fly", "there is no command 'fly'"),
        ("hookline runs fly", "there is no command 'fly'"),
        ("hookline validate --loudly", "there is no option '--loudly'"),
    ],
)
def test_a_command_line_that_does_not_exist_is_found(line: str, missing: str | None) -> None:
    assert what_is_missing(line) == missing


def test_the_index_has_every_page() -> None:
    linked = {(INDEX.parent / target.partition("#")[0]).resolve() for target in links(INDEX)}
    pages = {page for page in PAGES if page.is_relative_to(ROOT / "docs")} - {INDEX}
    assert {name(page) for page in pages - linked} == set()


def test_the_index_names_decisions_as_they_are_called() -> None:
    text = INDEX.read_text("utf-8")
    for page in DECISIONS:
        title = page.read_text("utf-8").splitlines()[0].removeprefix(f"# {page.name[:4]}. ")
        assert f"- [{page.name[:4]}](adr/{page.name}): {title}\n" in text


def test_decisions_are_numbered_and_of_one_form() -> None:
    numbers = [page.name[:4] for page in DECISIONS]
    assert len(numbers) == len(set(numbers))
    for page in DECISIONS:
        text = page.read_text("utf-8")
        assert re.match(rf"# {page.name[:4]}\. \S", text), name(page)
        assert re.search(r"^Status: \w", text, re.M), name(page)
        for heading in ("## Context", "## Decision", "## Consequences"):
            assert f"\n{heading}\n" in text, f"{name(page)} lacks {heading}"


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text("utf-8").splitlines()) <= README_LINES


def test_the_scripts_of_the_readme_exist() -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    named = set(re.findall(r"`(scripts/[a-z-]+)", text))
    assert named >= {"scripts/demo", "scripts/test"}
    assert [script for script in named if not (ROOT / script).is_file()] == []


def test_the_readme_lists_what_is_installed() -> None:
    from hookline.core.grammar import STEP_KINDS
    from hookline.engine.loader import load_registry

    registry = load_registry()
    text = (ROOT / "README.md").read_text("utf-8")
    rows = dict(re.findall(r"^\| (triggers|actions|control) \| (.+) \|$", text, re.M))
    listed = {row: set(re.findall(r"`([\w.*]+)`", cell)) for row, cell in rows.items()}
    assert listed["triggers"] == set(registry.triggers)
    groups = {name.partition(".")[0] + (".*" if "." in name else "") for name in registry.actions}
    assert listed["actions"] == groups
    assert listed["control"] >= set(STEP_KINDS) - {"uses"}
