"""``moderation.check``: what is decided, and what happens when nothing can be known."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from hookline.sdk import BadInput, RateLimited
from hookline.sdk.moderation import CATEGORIES, Finding, Image
from hookline.testing import FakeContext

from .kit import CHECK, Provider, ask, check


@pytest.mark.parametrize(
    ("score", "action"),
    [(0.0, "allow"), (0.39, "allow"), (0.4, "review"), (0.79, "review"), (0.8, "block"), (1.0, "block")],
)
def test_a_score_is_compared_with_the_thresholds(score: float, action: str) -> None:
    verdict = ask(Provider(Finding("violence", score)))
    assert (verdict["action"], verdict["status"]) == (action, "ok")
    assert verdict["flagged"] == (action != "allow")


def test_the_strictest_category_decides_and_is_the_reason() -> None:
    verdict = ask(
        Provider(Finding("hate", 0.5), Finding("violence", 0.91, provider_name="v/g"), Finding("sexual", 0.6))
    )
    assert verdict["action"] == "block"
    assert verdict["reason"] == "violence 0.91 >= block 0.8"
    assert [each["decision"] for each in verdict["categories"]] == ["review", "block", "review"]


@pytest.mark.parametrize(
    "policy",
    [
        {},
        {"default": {"review": None, "block": None}},
        {"categories": {"sexual_minors": {"review": 1.0, "block": 1.0}}},
        {"categories": {"sexual_minors": {"review": None, "block": None}}},
    ],
)
def test_one_category_cannot_be_weakened(policy: dict[str, Any]) -> None:
    assert ask(Provider(Finding("sexual_minors", 0.1)), policy=policy)["action"] == "block"
    assert ask(Provider(Finding("sexual_minors", 0.09)), policy=policy)["action"] == "allow"


def test_one_category_can_be_made_stricter() -> None:
    policy = {"categories": {"sexual_minors": {"block": 0.01}}}
    assert ask(Provider(Finding("sexual_minors", 0.02)), policy=policy)["action"] == "block"


def test_a_policy_is_applied_and_named() -> None:
    policy = {
        "id": "strict",
        "version": 7,
        "default": {"block": 0.2},
        "categories": {"hate": {"review": 0.1, "block": None}},
    }
    verdict = ask(Provider(Finding("hate", 0.99), Finding("violence", 0.19)), policy=policy)
    assert (verdict["policy"]["id"], verdict["policy"]["version"]) == ("strict", 7)
    assert verdict["action"] == "review"
    assert verdict["categories"][1]["threshold"] == {"review": 0.2, "block": 0.2}


def test_an_unknown_category_is_kept_as_other() -> None:
    [judged] = ask(Provider(Finding("rude gestures", 0.9)))["categories"]
    assert (judged["name"], judged["provider_name"], judged["decision"]) == (
        "other",
        "rude gestures",
        "block",
    )


def test_a_category_that_was_not_looked_at_does_not_count() -> None:
    looked = ask(Provider(Finding("hate", 1.0, evaluated=False), Finding("violence", 0.0)))
    assert (looked["status"], looked["action"]) == ("ok", "allow")
    for findings in ([Finding("hate", 0.0, evaluated=False)], []):
        verdict = ask(Provider(*findings))
        assert (verdict["status"], verdict["action"]) == ("unsupported", "review")


@pytest.mark.parametrize(
    "provider",
    [
        Provider(error=RateLimited("busy")),
        Provider(error=BadInput("the provider does not like it")),
        Provider(error=KeyError("results")),
        Provider(error=OSError("gone")),
        Provider(Finding("hate", float("nan"))),
        Provider(Finding("hate", 1.5)),
        Provider(Finding("hate", None)),  # type: ignore[arg-type]
    ],
)
@pytest.mark.parametrize("on_error", ["review", "block", "allow"])
def test_a_provider_that_fails_gives_what_was_declared(provider: Provider, on_error: str) -> None:
    verdict = ask(provider, on_error=on_error)
    assert (verdict["status"], verdict["action"]) == ("error", on_error)
    assert verdict["reason"].startswith("the provider failed: ")
    assert ask(provider)["action"] == "review"


def test_a_provider_that_answers_nonsense_has_failed() -> None:
    class Silent:
        async def moderate(self, **_: Any) -> None:
            return None

    assert ask(Silent())["action"] == "review"


@pytest.mark.parametrize(("on_unsupported", "action"), [("review", "review"), ("block", "block")])
def test_unsupported_content_is_never_allowed(on_unsupported: str, action: str) -> None:
    provider = Provider(Finding("hate", 0.0), unsupported="it is too long")
    verdict = ask(provider, on_unsupported=on_unsupported, on_error="allow")
    assert (verdict["status"], verdict["action"], verdict["reason"]) == (
        "unsupported",
        action,
        "it is too long",
    )


def test_allow_is_not_offered_for_unsupported_content() -> None:
    options = CHECK.input_schema["properties"]["on_unsupported"]["oneOf"]
    assert {option["const"] for option in options} == {"review", "block"}


def test_the_verdict_names_the_exact_bytes() -> None:
    ctx = FakeContext(connections={"judge": Provider(Finding("hate", 0.0))})
    file = ctx.fake_files.put(b"picture", name="a.png")
    verdict = check(ctx, provider="judge", image={**file.to_json(), "sha256": "forged"})
    assert verdict["subject"] == {
        "kind": "image",
        "sha256": hashlib.sha256(b"picture").hexdigest(),
        "bytes": 7,
        "ref": file.uri,
        "text_sha256": None,
    }
    assert ctx.connections["judge"].asked == [(None, Image(b"picture", "image/png", file.uri))]
    assert check(text="é")["subject"]["sha256"] == hashlib.sha256("é".encode()).hexdigest()


def test_a_connection_that_does_not_moderate_is_refused() -> None:
    with pytest.raises(BadInput) as caught:
        ask(object())
    assert caught.value.code == "C032"
    with pytest.raises(BadInput):
        check(text="x", provider="absent")


def test_every_category_is_in_the_verdict() -> None:
    verdict = ask(Provider(*(Finding(name, 0.0) for name in CATEGORIES)))
    assert [each["name"] for each in verdict["categories"]] == list(CATEGORIES)
