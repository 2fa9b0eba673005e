"""Moderation policies: from which score on something is reviewed or blocked.

A policy stands in a step, or in a file ``policies/<id>.json`` of the project::

    {
      "id": "comments", "version": 3,
      "default": {"review": 0.4, "block": 0.8},
      "categories": {"violence": {"block": 0.95}, "profanity": {"review": null, "block": null}},
      "required": ["hate"],
      "on_error": "review", "on_unsupported": "block"
    }
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, NotRequired, TypedDict, cast

import referencing
from jsonschema import Draft202012Validator

from hookline.core.canonical import canonical_json

from .errors import BadInput
from .fields import Field, schema_of
from .moderation import CATEGORIES

__all__ = [
    "FLOOR",
    "MAX_POLICY_BYTES",
    "POLICY_NAME",
    "AppliedPolicy",
    "Decision",
    "Limits",
    "Policy",
    "Threshold",
    "applied",
    "check_policy",
    "limits_of",
    "parse_policy",
    "policy_path",
    "stricter",
]

Decision = Literal["allow", "review", "block"]

FLOOR: Final[Mapping[str, float]] = {"sexual_minors": 0.1}
"""Scores from which on a category is blocked, whatever a policy says."""

POLICY_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
MAX_POLICY_BYTES = 100_000

_REVIEW, _BLOCK = 0.4, 0.8
_STRICTNESS: Final[Mapping[str, int]] = {"allow": 0, "review": 1, "block": 2}

Score = Annotated[float | None, Field("A score; null for never.", minimum=0, maximum=1)]


class Threshold(TypedDict):
    """From which score on something is done."""

    review: NotRequired[Score]
    block: NotRequired[Score]


class Policy(TypedDict):
    """Thresholds, with a name for the record."""

    id: NotRequired[Annotated[str, Field("Name of the policy.")]]
    version: NotRequired[Annotated[int, Field("Its version.", minimum=1)]]
    description: NotRequired[Annotated[str, Field("What it is for.")]]
    default: NotRequired[Annotated[Threshold, Field("For categories that are not named.")]]
    categories: NotRequired[Annotated[dict[str, Threshold], Field("By category.")]]
    required: NotRequired[
        Annotated[list[str], Field("Categories that some provider must have looked at; else on_unsupported.")]
    ]
    on_error: NotRequired[
        Annotated[Literal["review", "block", "allow"], Field("What to do when a provider fails.")]
    ]
    on_unsupported: NotRequired[
        Annotated[Literal["review", "block"], Field("What to do with what a provider does not look at.")]
    ]


class Limits(TypedDict):
    """The thresholds that were applied."""

    review: Annotated[float | None, Field("Reviewed from here on.")]
    block: Annotated[float | None, Field("Blocked from here on.")]


class AppliedPolicy(TypedDict):
    """The policy that was applied."""

    id: Annotated[str, Field("Its name.")]
    version: Annotated[int, Field("Its version.")]
    sha256: Annotated[str, Field("Digest of its canonical JSON: a change without a new version shows.")]


def policy_path(name: str) -> str:
    """Where the policy of this name stands in a project.

    Raises:
        BadInput: C035: it is no name.
    """
    if not POLICY_NAME.fullmatch(name):
        raise BadInput(
            f"{name[:80]!r} is no name of a policy",
            code="C035",
            hint="a-z, 0-9, _ and -; the policy is the file policies/<name>.json",
        )
    return f"policies/{name}.json"


def parse_policy(content: bytes, name: str) -> Policy:
    """Read a policy file.

    Args:
        name: The name it was asked for by; its ``id`` must be the same.

    Raises:
        BadInput: C035 when it is not JSON of the expected form, C030 when it contradicts itself. The
            message names the place as a JSON pointer.
    """
    try:
        value = json.loads(content.decode("utf-8-sig"), object_pairs_hook=_no_duplicates)
    except (ValueError, RecursionError) as error:
        raise _unreadable(name, f"it is not JSON: {error}") from None
    if isinstance(value, dict):
        value.pop("$schema", None)
    problem = next(iter(sorted(_VALIDATOR.iter_errors(value), key=lambda each: each.json_path)), None)
    if problem is not None:
        pointer = "".join(f"/{part}" for part in problem.absolute_path)
        raise _unreadable(name, f"{problem.message} (at {pointer or '/'})")
    if value["id"] != name:
        raise _unreadable(name, f"its id is {value['id']!r} (at /id)")
    policy = cast(Policy, value)
    check_policy(policy)
    return policy


def check_policy(policy: Policy) -> None:
    """Refuse a policy that contradicts itself.

    Raises:
        BadInput: C030.
    """
    named = policy.get("categories", {})
    for pointer, name in (
        *((f"/categories/{name}", name) for name in named),
        *((f"/required/{index}", name) for index, name in enumerate(policy.get("required", ()))),
    ):
        if name not in CATEGORIES:
            raise BadInput(
                f"{name!r} is no category (at {pointer})",
                code="C030",
                hint=f"categories are {', '.join(CATEGORIES)}",
            )
    for name, threshold in {**named, "default": policy.get("default", {})}.items():
        review, block = threshold.get("review"), threshold.get("block")
        if review is not None and block is not None and review > block:
            raise BadInput(
                f"{name}: review {review} lies above block {block}",
                code="C030",
                hint="what is blocked is also reviewed: put review at or below block",
            )


def limits_of(name: str, policy: Policy) -> Limits:
    """The thresholds of a category, never weaker than `FLOOR`."""
    given: dict[str, Any] = {**policy.get("default", {}), **policy.get("categories", {}).get(name, {})}
    block: float | None = given.get("block", _BLOCK)
    review: float | None = given.get("review", _REVIEW)
    if name in FLOOR:
        block = FLOOR[name] if block is None else min(block, FLOOR[name])
    if block is not None and review is not None:
        review = min(review, block)
    return {"review": review, "block": block}


def applied(policy: Policy) -> AppliedPolicy:
    """The policy, for the record."""
    return {
        "id": policy.get("id", "default"),
        "version": policy.get("version", 1),
        "sha256": hashlib.sha256(canonical_json(policy).encode()).hexdigest(),
    }


def stricter(first: Decision, second: Decision) -> Decision:
    """The stricter of two decisions."""
    return first if _STRICTNESS[first] >= _STRICTNESS[second] else second


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key stands twice in one object")
    return found


def _unreadable(name: str, why: str) -> BadInput:
    return BadInput(
        f"policies/{name}.json: {why}", code="C035", hint="correct the file; `hookline moderation policies`"
    )


_VALIDATOR = Draft202012Validator(
    {**schema_of(Policy), "required": ["id", "version"]}, registry=referencing.Registry()
)
