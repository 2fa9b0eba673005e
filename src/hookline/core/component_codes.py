"""Stable codes of finding, loading and describing components."""

from __future__ import annotations

from typing import Final

from .code import Code

__all__ = ["COMPONENT_CODES"]

COMPONENT_CODES: Final = (
    Code(
        "C001",
        "Two components have the same name",
        "An action, trigger or connection type is declared twice. Nothing is loaded, because which of the "
        "two a workflow would get depends on the order of files.",
        "Rename one of them, or, to replace a component that comes with Hookline, list its folder or file "
        'under override in hookline.toml: [components] override = ["connectors/slack"].',
    ),
    Code(
        "C002",
        "An override is declared and there is none",
        "hookline.toml says that this project replaces a component, and the project holds no such folder or "
        "file, or the name is not of the form room/name.",
        "Add the folder or file to the project, or remove the entry from override.",
    ),
    Code(
        "C003",
        "Two connection types claim the same address scheme",
        "References such as s3://bucket/key are read by exactly one connection type.",
        "Remove the scheme from one of the connection types.",
    ),
    Code(
        "C004",
        "The components section of hookline.toml cannot be read",
        "hookline.toml is not TOML, or override is not a list of texts.",
        'Correct it; the section looks like this: [components] override = ["connectors/slack"].',
    ),
    Code(
        "C010",
        "A connector.json cannot be used",
        "The file is not JSON, or breaks the format of a declarative connector. The connector is listed as "
        "unavailable; all others are loaded.",
        "Correct the place that the message names.",
    ),
)
