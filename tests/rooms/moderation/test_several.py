"""Several providers together, and policies by name."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given as sampled
from hypothesis import settings
from hypothesis import strategies as st

from hookline.sdk import BadInput, Unavailable
from hookline.sdk.moderation import Assessment, Finding, Image
from hookline.sdk.verdicts import is_verdict, rejudge
from hookline.testing import FakeContext

from .kit import Provider, check

ORDER = ("allow", "review", "block")
SCORES = {"allow": 0.05, "unsure": 0.3, "review": 0.5, "block": 0.9}


def says(score: str | float, name: str = "violence", **more: Any) -> Provider:
    if score == "error":
        return Provider(error=Unavailable("down"))
    if score == "unsupported":
        return Provider(unsupported="it is too long")
    return Provider(Finding(name, SCORES[score] if isinstance(score, str) else score), **more)


def together(how: str, *providers: Provider, **given: Any) -> tuple[Any, list[int]]:
    names = [f"p{number}" for number in range(len(providers))]
    ctx = FakeContext(connections=dict(zip(names, providers, strict=True)))
    verdict = check(ctx, **{"provider": names, "combine": how, "text": "hello", **given})
    assert is_verdict(verdict)
    return verdict, [len(provider.asked) for provider in providers]


@pytest.mark.parametrize(
    ("opinions", "action"),
    [
        (["allow", "allow"], "allow"),
        (["allow", "review"], "review"),
        (["block", "allow", "review"], "block"),
        (["allow", "error"], "review"),
        (["allow", "unsupported"], "review"),
        (["error", "block"], "block"),
    ],
)
def test_the_strictest_decides(opinions: list[str], action: str) -> None:
    verdict, asked = together("strictest", *map(says, opinions))
    assert verdict["action"] == action
    assert asked == [1] * len(opinions)
    assert [part["provider"] for part in verdict["parts"]] == ["p0", "p1", "p2"][: len(opinions)]


@pytest.mark.parametrize(
    ("opinions", "action"),
    [
        (["allow", "allow", "block"], "allow"),
        (["allow", "block", "block"], "block"),
        (["allow", "block"], "review"),
        (["allow", "review", "block"], "review"),
        (["allow", "error"], "review"),
        (["error", "error", "allow"], "review"),
        (["error", "error", "error"], "review"),
        (["unsupported", "unsupported", "unsupported"], "review"),
    ],
)
def test_the_majority_decides_and_otherwise_a_person(opinions: list[str], action: str) -> None:
    assert together("majority", *map(says, opinions))[0]["action"] == action


@pytest.mark.parametrize(
    ("opinions", "action", "asked"),
    [
        (["allow", "block"], "allow", [1, 0]),
        (["block", "allow"], "block", [1, 0]),
        (["unsure", "allow"], "allow", [1, 1]),
        (["review", "allow", "block"], "allow", [1, 1, 0]),
        (["review", "review", "block"], "block", [1, 1, 1]),
        (["error", "allow"], "allow", [1, 1]),
        (["unsupported", "block"], "block", [1, 1]),
        (["review", "error"], "review", [1, 1]),
        (["unsure", "error"], "review", [1, 1]),
        (["error", "error"], "review", [1, 1]),
    ],
)
def test_a_cascade_asks_only_as_long_as_nobody_is_sure(
    opinions: list[str], action: str, asked: list[int]
) -> None:
    verdict, counts = together("cascade", *map(says, opinions))
    assert (verdict["action"], counts) == (action, asked)
    assert verdict["not_asked"] == [f"p{number}" for number, count in enumerate(asked) if not count]


def test_a_list_that_finds_nothing_is_not_sure() -> None:
    costly = says("block")
    ctx = FakeContext(connections={"costly": costly})
    verdict = check(ctx, provider=["wordlist", "costly"], combine="cascade", text="hello")
    assert (verdict["action"], len(costly.asked)) == ("block", 1)
    verdict = check(ctx, provider=["wordlist", "costly"], combine="cascade", text="fuck")
    assert (verdict["action"], len(costly.asked)) == ("block", 1)


@pytest.mark.parametrize("how", ["strictest", "majority", "cascade"])
def test_the_floor_is_not_outvoted(how: str) -> None:
    floored = says(0.11, "sexual_minors")
    weak = {"categories": {"sexual_minors": {"review": None, "block": None}}, "on_error": "allow"}
    verdict, _ = together(how, floored, says("allow"), says("allow"), policy=weak, on_error="allow")
    assert verdict["action"] == "block"


@settings(max_examples=150, deadline=None)
@sampled(
    st.lists(st.sampled_from(["error", "unsupported"]), min_size=1, max_size=4),
    st.sampled_from(["strictest", "majority", "cascade"]),
)
def test_without_anybody_who_looked_nothing_is_allowed(opinions: list[str], how: str) -> None:
    assert together(how, *map(says, opinions))[0]["action"] == "review"


@settings(max_examples=100, deadline=None)
@sampled(
    st.lists(
        st.tuples(
            st.sampled_from([*SCORES, "error", "unsupported"]), st.sampled_from(["hate", "sexual_minors"])
        ),
        min_size=1,
        max_size=4,
    ),
    st.sampled_from(["strictest", "majority", "cascade"]),
)
def test_a_verdict_judged_again_under_its_own_policy_is_the_same(
    opinions: list[tuple[str, str]], how: str
) -> None:
    verdict, _ = together(how, *(says(score, name) for score, name in opinions))
    again = json.loads(json.dumps(verdict))
    assert rejudge(again, {})[0] == verdict["action"]


class ImageOnly(Provider):
    """A connection that looks at pictures only."""

    moderates = ("image",)


def test_words_cannot_outvote_the_only_one_who_saw_the_picture() -> None:
    seen = ImageOnly(Finding("sexual", 0.9))
    ctx = FakeContext(connections={"eye": seen})
    image = ctx.fake_files.put(b"picture", name="a.png").to_json()
    given = {"text": "hello", "image": image, "rules": {"max_length": 100}}
    for how in ("strictest", "majority", "cascade"):
        verdict = check(ctx, provider=["wordlist", "rules", "eye"], combine=how, **given)
        assert verdict["action"] == "block"
    assert seen.asked == [(None, Image(b"picture", "image/png", f"artifact:{image['sha256']}"))] * 3
    assert verdict["subject"]["sha256"] == image["sha256"]
    assert verdict["subject"]["text_sha256"] is not None


def test_a_picture_that_nobody_looks_at_is_not_allowed() -> None:
    ctx = FakeContext()
    image = ctx.fake_files.put(b"picture", name="a.png").to_json()
    verdict = check(ctx, provider="wordlist", text="hello", image=image)
    assert (verdict["status"], verdict["action"]) == ("unsupported", "review")
    assert verdict["reason"] == "no provider examines pictures"
    assert rejudge(verdict, {})[0] == "review"


def test_a_provider_that_never_answers_is_given_up() -> None:
    class Silent:
        async def moderate(self, **_: Any) -> Assessment:
            await asyncio.Event().wait()
            raise AssertionError

    ctx = FakeContext(connections={"silent": Silent()})
    verdict = check(ctx, provider="silent", text="x", timeout=0.01)
    assert (verdict["status"], verdict["action"]) == ("error", "review")
    assert verdict["reason"] == "the provider failed: timeout"


# Policies by name

STRICT = {"id": "strict", "version": 4, "default": {"review": 0.1, "block": 0.2}, "on_error": "block"}


def named(policy: Any, score: str | float = "unsure", name: str = "strict", **given: Any) -> Any:
    content = policy if isinstance(policy, bytes) else json.dumps(policy).encode()
    ctx = FakeContext(connections={"judge": says(score)}, project_files={"policies/strict.json": content})
    return check(ctx, **{"provider": "judge", "text": "x", "policy": name, **given})


def test_a_policy_is_a_file_with_a_version() -> None:
    verdict = named({"$schema": "policy.schema.json", **STRICT})
    assert verdict["action"] == "block"
    assert (verdict["policy"]["id"], verdict["policy"]["version"]) == ("strict", 4)
    changed = named({**STRICT, "default": {"review": 0.1, "block": 0.21}})
    assert changed["policy"]["version"] == 4
    assert changed["policy"]["sha256"] != verdict["policy"]["sha256"]


@pytest.mark.parametrize(
    ("policys", "own", "action"),
    [
        ("block", None, "block"),
        ("block", "allow", "block"),
        ("review", "block", "block"),
        (None, "block", "block"),
        (None, None, "review"),
        ("allow", None, "allow"),
    ],
)
def test_a_step_cannot_weaken_its_policy(policys: str | None, own: str | None, action: str) -> None:
    policy = {"id": "strict", "version": 1} | ({"on_error": policys} if policys else {})
    asked = {"on_error": own} if own else {}
    assert named(policy, "error", **asked)["action"] == action


@pytest.mark.parametrize(
    ("content", "name", "code", "told"),
    [
        (STRICT, "gone", "C035", "policies/gone.json"),
        (STRICT, "../hookline", "C035", "no name"),
        (STRICT, "Strict", "C035", "no name"),
        (b"{", "strict", "C035", "not JSON"),
        (b'{"id": "strict", "version": 1, "version": 2}', "strict", "C035", "twice"),
        ([], "strict", "C035", "object"),
        ({"id": "strict"}, "strict", "C035", "version"),
        ({"id": "other", "version": 1}, "strict", "C035", "/id"),
        ({**STRICT, "version": 0}, "strict", "C035", "/version"),
        ({**STRICT, "on_unsupported": "allow"}, "strict", "C035", "/on_unsupported"),
        ({**STRICT, "defaults": {}}, "strict", "C035", "defaults"),
        ({**STRICT, "default": {"block": 1.5}}, "strict", "C035", "/default/block"),
        ({**STRICT, "default": {"review": 0.9, "block": 0.5}}, "strict", "C030", "above"),
        ({**STRICT, "categories": {"nudity": {}}}, "strict", "C030", "/categories/nudity"),
    ],
)
def test_a_policy_that_cannot_be_read_is_no_verdict(content: Any, name: str, code: str, told: str) -> None:
    with pytest.raises(BadInput) as caught:
        named(content, name=name)
    assert caught.value.code == code
    assert told in caught.value.message
    assert caught.value.hint


@sampled(st.floats(0, 1), st.floats(0, 1))
@settings(max_examples=50, deadline=None)
def test_a_higher_score_is_never_decided_milder(first: float, second: float) -> None:
    low, high = sorted((first, second))
    policy = {"default": {"review": 0.3, "block": 0.7}}
    actions = [together("strictest", says(score), policy=policy)[0]["action"] for score in (low, high)]
    assert ORDER.index(actions[0]) <= ORDER.index(actions[1])
