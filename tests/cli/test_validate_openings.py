"""Connections that are named by a step's parameters are looked for before a run, too."""

from __future__ import annotations

import json
from typing import Any

import pytest

from .conftest import Cli


def codes(cli: Cli, uses: str, **given: Any) -> list[tuple[str, str]]:
    path = cli.write("w", steps=[{"id": "s", "uses": uses, "with": given}])
    result = cli("validate", str(path), "--format", "json")

    found = json.loads(result.stdout)
    return [(each["code"], each["pointer"]) for file in found["files"] for each in file["diagnostics"]]


@pytest.mark.parametrize(
    ("provider", "found"),
    [
        ("wordlist", []),
        ("openai", [("D404", "/steps/0/with")]),
        (["wordlist", "azure"], [("D404", "/steps/0/with")]),
        ("{{ vars.provider }}", []),
    ],
)
def test_a_provider_without_a_connection(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, provider: Any, found: list[tuple[str, str]]
) -> None:
    for name in ("OPENAI_API_KEY", "AZURE_CONTENT_SAFETY_KEY", "AZURE_CONTENT_SAFETY_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    given = codes(cli, "moderation.check", text="hello", provider=provider)
    assert [each for each in given if each[0] in ("D403", "D404", "D405")] == found


def test_a_provider_with_its_key(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "a key")
    assert codes(cli, "moderation.check", text="hello", provider="openai") == []
    assert [
        code for code, _ in codes(cli, "moderation.check", text="hi", provider="openai", connection="mine")
    ] == ["D403"]


def test_a_place_to_notify_without_a_connection(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SLACK_BOT_TOKEN", raising=False)
    found = codes(cli, "notify", to=[{"slack": "#ops"}], text="hello")
    assert found == [("D404", "/steps/0/with")]
