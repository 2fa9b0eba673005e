"""Decide whether a text or a picture may go on.

What cannot be examined is never allowed: a provider that fails gives `on_error` (review by default),
content a provider does not look at gives `on_unsupported` (review, or block). The verdict holds the
digest of the exact bytes that were examined, and never the words that were found.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from hookline.sdk import ActionError, BadInput, Context, Example, Field, File, MalformedOutput, action
from hookline.sdk.moderation import CATEGORIES, Assessment, Image

from ._moderation.hashlist import assess_picture
from ._moderation.lists import Entry, entries
from ._moderation.verdict import Decision, Judgement, Policy, Subject, Verdict, check_policy, judge
from ._moderation.wordlist import assess_text, default_entries

__all__ = ["check"]

MAX_IMAGE_BYTES = 20_000_000
MAX_LIST_BYTES = 5_000_000
_LOCAL = ("wordlist", "hashlist")


@dataclass(frozen=True, slots=True)
class _Lists:
    """The entries that a local provider looks for."""

    words: tuple[Entry, ...] = ()
    hashes: tuple[Entry, ...] = ()


@action(
    "moderation.check",
    effect="read",
    summary="{action}: {reason}",
    examples=(
        Example({"text": "What a lovely picture!", "provider": "wordlist"}, title="A text"),
        Example(
            {
                "text": "Buy ch3ap w4tches",
                "provider": "wordlist",
                "words": ["other: cheap watches"],
                "policy": {"id": "shop", "version": 2, "default": {"review": 0.4, "block": None}},
            },
            title="Your own words, for review only",
        ),
        Example(
            {
                "image": {"$file": "artifact:example", "name": "cat.png", "mime": "image/png"},
                "provider": "hashlist",
                "hashes": ["phash:e1e1f0d2b4963c87"],
            },
            title="A picture that is known already",
        ),
    ),
)
async def check(
    ctx: Context,
    provider: Annotated[
        str,
        Field(
            "Who examines it: wordlist (text) and hashlist (pictures) work on this machine; otherwise a "
            "connection type that moderates.",
            examples=["wordlist", "hashlist", "openai"],
            min_length=1,
        ),
    ],
    text: Annotated[str | None, Field("The text to examine.", multiline=True)] = None,
    image: Annotated[File | None, Field("The picture to examine.")] = None,
    policy: Annotated[
        Policy | None,
        Field("Scores from which on something is reviewed (0.4) or blocked (0.8), also by category."),
    ] = None,
    on_error: Annotated[
        Literal["review", "block", "allow"],
        Field(
            "What to do when the provider fails.",
            options={
                "review": "A person decides.",
                "block": "It does not go on.",
                "allow": "It goes on unexamined.",
            },
        ),
    ] = "review",
    on_unsupported: Annotated[
        Literal["review", "block"],
        Field(
            "What to do with what the provider does not look at: too large, another kind, broken.",
            options={"review": "A person decides.", "block": "It does not go on."},
        ),
    ] = "review",
    words: Annotated[
        list[str] | None,
        Field(
            "Words and phrases for wordlist, written as in a list: a category may stand in front.",
            examples=[["cheap watches", "harassment: loser*"]],
        ),
    ] = None,
    wordlists: Annotated[
        list[File] | None, Field("Files with one word or phrase per line.", advanced=True)
    ] = None,
    default_words: Annotated[
        bool, Field("Whether wordlist uses the small list that comes with Hookline too.", advanced=True)
    ] = True,
    hashes: Annotated[
        list[str] | None,
        Field(
            "Hashes for hashlist.", examples=[["phash:e1e1f0d2b4963c87", "sexual: dhash:0f1e2d3c4b5a6978"]]
        ),
    ] = None,
    hashlists: Annotated[list[File] | None, Field("Files with one hash per line.", advanced=True)] = None,
    algorithm: Annotated[
        Literal["phash", "dhash"],
        Field(
            "What a hash without a name in front is.",
            advanced=True,
            options={"phash": "Frequencies; survives resizing.", "dhash": "Neighbours; survives brightness."},
        ),
    ] = "phash",
    max_distance: Annotated[
        int, Field("How many of a hash's 64 bits may differ.", advanced=True, minimum=0, maximum=16)
    ] = 8,
    list_category: Annotated[
        str, Field("Category of your own entries that name none.", advanced=True)
    ] = "other",
    connection: Annotated[
        str, Field("Connection of the provider; its type's own when left out.", advanced=True)
    ] = "",
) -> Verdict:
    """Moderate a text or a picture

    Gives a verdict: `action` is `allow`, `review` or `block`, with the reason and every category's score.
    `sexual_minors` is blocked from 0.1 on, whatever the policy says.
    """
    if (text is None) == (image is None):
        raise _nothing_to_check("give either text or image")
    applied: Policy = policy or {}
    check_policy(applied)
    lists = _Lists()
    client: Any = None
    if provider == "wordlist":
        own = await _entries(ctx, words, wordlists, "words", list_category)
        lists = _Lists(words=(*(default_entries() if default_words else ()), *own))
    elif provider == "hashlist":
        lists = _Lists(hashes=await _entries(ctx, hashes, hashlists, "hashes", list_category))
    else:
        client = await ctx.open(connection or provider, type=provider)
        if not hasattr(client, "moderate"):
            raise _nothing_to_check(f"the connection type {provider!r} does not moderate")
    if provider in _LOCAL and not (lists.words or lists.hashes):
        raise _nothing_to_check(f"{provider} has an empty list, so everything would be allowed")

    started = ctx.now()
    subject, content = await _subject(ctx, text, image)
    status: Literal["ok", "error", "unsupported"]
    try:
        if image is not None and content is None:
            found = Assessment(unsupported=f"the picture is larger than {MAX_IMAGE_BYTES} bytes")
        elif client is not None:
            picture = Image(content or b"", image.mime, image.uri) if image is not None else None
            found = await client.moderate(text=text, image=picture)
        elif provider == "wordlist":
            found = (
                await asyncio.to_thread(assess_text, text, lists.words)
                if text is not None
                else Assessment(unsupported="wordlist examines text only")
            )
        elif content is not None and image is not None:
            found = await asyncio.to_thread(assess_picture, content, lists.hashes, algorithm, max_distance)
        else:
            found = Assessment(unsupported="hashlist examines pictures only")
        status, judgement = _judge(found, applied, on_unsupported)
    except ImportError as error:
        raise BadInput("Pillow is not installed", code="C031", hint="pip install hookline[images]") from error
    except Exception as error:
        if client is None and isinstance(error, BadInput):
            raise  # a list of the workflow's own is wrong; a person has to correct it
        # Whatever a provider stumbles over, it must not end in silence or in "allow".
        found, status = Assessment(), "error"
        judgement = Judgement(on_error, f"the provider failed: {_kind(error)}", [])
        ctx.log("The moderation provider failed", provider=provider, error=_kind(error))
    return {
        "schema": "moderation.verdict/1",
        "provider": provider,
        "model": found.model,
        "provider_request_id": found.request_id,
        "subject": subject,
        "status": status,
        "flagged": any(each["decision"] != "allow" for each in judgement.categories),
        "provider_flagged": found.flagged,
        "categories": judgement.categories,
        "action": judgement.action,
        "reason": judgement.reason,
        "policy": {"id": applied.get("id", "default"), "version": applied.get("version", 1)},
        "evaluated_at": f"{started:%Y-%m-%dT%H:%M:%S}Z",
        "latency_ms": round((ctx.now() - started).total_seconds() * 1000),
    }


def _judge(
    found: Assessment, policy: Policy, on_unsupported: Decision
) -> tuple[Literal["ok", "unsupported"], Judgement]:
    if not isinstance(found, Assessment):
        raise MalformedOutput("the provider did not give an assessment")
    judgement = judge(found, policy)
    if found.unsupported:
        return "unsupported", Judgement(on_unsupported, found.unsupported, judgement.categories)
    if not any(finding.evaluated for finding in found.findings):
        reason = "the provider looked at no category"
        return "unsupported", Judgement(on_unsupported, reason, judgement.categories)
    return "ok", judgement


async def _subject(ctx: Context, text: str | None, image: File | None) -> tuple[Subject, bytes | None]:
    """What is examined, and its bytes; None when they are too many."""
    if image is None:
        content = (text or "").encode("utf-8", "surrogatepass")
        digest = hashlib.sha256(content).hexdigest()
        return {"kind": "text", "sha256": digest, "bytes": len(content), "ref": None}, content
    subject: Subject = {"kind": "image", "sha256": image.sha256, "bytes": image.bytes, "ref": image.uri}
    if image.bytes is not None and image.bytes > MAX_IMAGE_BYTES:
        return subject, None
    try:
        content = await ctx.files.read(image, max_bytes=MAX_IMAGE_BYTES)
    except BadInput:
        return subject, None
    digest = hashlib.sha256(content).hexdigest()
    return {"kind": "image", "sha256": digest, "bytes": len(content), "ref": image.uri}, content


async def _entries(
    ctx: Context, given: Sequence[str] | None, files: Sequence[File] | None, name: str, category: str
) -> tuple[Entry, ...]:
    if category not in CATEGORIES:
        raise BadInput(
            f"{category!r} is no category", code="C030", hint=f"categories are {', '.join(CATEGORIES)}"
        )
    found = list(entries(given or (), name, category))
    for file in files or ():
        content = await ctx.files.read(file, max_bytes=MAX_LIST_BYTES)
        found += entries(content.decode("utf-8-sig", "replace").splitlines(), file.name, category)
    return tuple(found)


def _kind(error: Exception) -> str:
    return error.type if isinstance(error, ActionError) else "internal"


def _nothing_to_check(why: str) -> BadInput:
    return BadInput(why, code="C032", hint="see the parameters of moderation.check")
