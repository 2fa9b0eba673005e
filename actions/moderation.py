"""Decide whether a text, a picture or a video may go on.

What cannot be examined is never allowed: a provider that fails gives `on_error` (review by default),
content a provider does not look at gives `on_unsupported` (review, or block). The verdict holds the
digest of the exact bytes that were examined, and never the words that were found.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from hookline.sdk import BadInput, Context, Example, Field, File, NotFound, action
from hookline.sdk.moderation import CATEGORIES, Assessment, Image
from hookline.sdk.policies import (
    MAX_POLICY_BYTES,
    Decision,
    Policy,
    applied,
    check_policy,
    parse_policy,
    policy_path,
    stricter,
)
from hookline.sdk.verdicts import SCHEMA, Subject, Verdict

from ._moderation.classifiers import Classifier, assess_prediction, seen_by
from ._moderation.hashlist import assess_picture
from ._moderation.lists import Entry, entries
from ._moderation.providers import Content, Provider, Rulings, examine
from ._moderation.rules import Rules, assess_rules, check_rules
from ._moderation.video import NotExamined, find_ffmpeg, sampled
from ._moderation.wordlist import assess_text, default_entries

__all__ = ["check"]

MAX_IMAGE_BYTES = 20_000_000
MAX_VIDEO_BYTES = 1_000_000_000
MAX_LIST_BYTES = 5_000_000
MAX_PROVIDERS = 8

_LOCAL = ("wordlist", "hashlist", "rules", "replicate", "cog")
_TYPES: Final = {"azure": "azure_content_safety", "rekognition": "aws"}
"""Connection types of providers that are better known by another name."""


@dataclass(frozen=True, slots=True)
class _Given:
    """What the step gives to local providers."""

    words: tuple[Entry, ...]
    hashes: tuple[Entry, ...]
    algorithm: Literal["phash", "dhash"]
    max_distance: int
    rules: Rules | None
    prediction: Mapping[str, Any] | None
    classifier: Classifier | None
    labels: Mapping[str, str] | None
    scores: Mapping[str, Any] | None
    kinds: tuple[str, ...]


def _opens(given: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The connections of those who are asked over the network."""
    provider = given.get("provider", ())
    names = [provider] if isinstance(provider, str) else provider
    kinds = [_TYPES.get(name, name) for name in names if name not in _LOCAL]
    return [(kind, given.get("connection") or kind) for kind in kinds]


@action(
    "moderation.check",
    effect="read",
    opens=_opens,
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
        Example(
            {
                "text": "See https://shop.example/cheap",
                "provider": ["wordlist", "rules"],
                "combine": "strictest",
                "rules": {"max_links": 0, "max_length": 2000},
            },
            title="Several providers, of which the strictest decides",
        ),
        Example(
            {
                "image": {"$file": "artifact:example", "name": "cat.png", "mime": "image/png"},
                "provider": "replicate",
                "prediction": {"status": "succeeded", "provider": "replicate", "output": "normal"},
                "classifier": "nsfw",
            },
            title="What a classifier said in an earlier step",
        ),
    ),
)
async def check(
    ctx: Context,
    provider: Annotated[
        str | list[str],
        Field(
            "Who examines it, or several: wordlist and rules (text) and hashlist (pictures) work on this "
            "machine; replicate and cog read the prediction of an earlier step; openai, azure, rekognition "
            "and every other connection type that moderates are asked over the network.",
            examples=["wordlist", "openai", ["wordlist", "openai"]],
        ),
    ],
    text: Annotated[str | None, Field("The text to examine.", multiline=True)] = None,
    image: Annotated[File | None, Field("The picture to examine, alone or with its text.")] = None,
    video: Annotated[
        File | None,
        Field(
            "The video to examine, as frames at even distances; needs ffmpeg. Not together with the others."
        ),
    ] = None,
    frames: Annotated[
        int,
        Field(
            "How many frames of a video are looked at. What is between them is not.", minimum=1, maximum=100
        ),
    ] = 12,
    policy: Annotated[
        str | Policy | None,
        Field(
            "Name of a policy (the file policies/<name>.json of the project), or the policy itself: scores "
            "from which on something is reviewed (0.4) or blocked (0.8), also by category.",
            examples=["comments", {"default": {"review": 0.3, "block": 0.7}}],
        ),
    ] = None,
    combine: Annotated[
        Literal["strictest", "majority", "cascade"],
        Field(
            "How several providers are put together.",
            options={
                "strictest": "All are asked, and the strictest decides.",
                "majority": "All are asked; what more than half say, otherwise a person.",
                "cascade": "In this order, cheap first; the next is asked only when one is not sure.",
            },
        ),
    ] = "strictest",
    on_error: Annotated[
        Literal["review", "block", "allow"] | None,
        Field(
            "What to do when a provider fails; as the policy says, or review. The stricter of this and a "
            "named policy's counts.",
            options={
                "review": "A person decides.",
                "block": "It does not go on.",
                "allow": "It goes on unexamined.",
            },
        ),
    ] = None,
    on_unsupported: Annotated[
        Literal["review", "block"] | None,
        Field(
            "What to do with what a provider does not look at (too large, another kind, broken); as the "
            "policy says, or review.",
            options={"review": "A person decides.", "block": "It does not go on."},
        ),
    ] = None,
    prediction: Annotated[
        dict[str, Any] | None,
        Field("For replicate and cog: the output of the step that ran the classifier on this very content."),
    ] = None,
    classifier: Annotated[
        Literal["nsfw", "llama_guard_2", "llama_guard_3", "llama_guard_4", "labels"] | None,
        Field(
            "For replicate and cog: what the classifier's output looks like.",
            options={
                "nsfw": "The text normal or nsfw, about a picture.",
                "llama_guard_2": "safe, or unsafe and S1 to S11, about a text.",
                "llama_guard_3": "safe, or unsafe and S1 to S14, about a text.",
                "llama_guard_4": "safe, or unsafe and S1 to S14, about a text or a text with its picture.",
                "labels": "A list of labels with scores; labels says what they mean.",
            },
        ),
    ] = None,
    labels: Annotated[
        dict[str, str] | None,
        Field(
            "For classifier labels: the category of each label; an empty text for a harmless one.",
            examples=[{"porn": "sexual", "neutral": ""}],
        ),
    ] = None,
    scores: Annotated[
        dict[str, Any] | None,
        Field(
            "For replicate and cog, in place of classifier: category to score, by expression.",
            examples=[{"sexual": 0.12}],
        ),
    ] = None,
    rules: Annotated[Rules | None, Field("For rules: what a text must keep to.")] = None,
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
    sure_below: Annotated[
        float,
        Field("A cascade ends when every score is below this.", advanced=True, minimum=0, maximum=1),
    ] = 0.2,
    timeout: Annotated[
        float, Field("Seconds one provider may take.", advanced=True, minimum=1, maximum=600)
    ] = 60,
) -> Verdict:
    """Moderate a text, a picture or a video

    Gives a verdict: `action` is `allow`, `review` or `block`, with the reason and every category's score.
    `sexual_minors` is blocked from 0.1 on, whatever the policy says.
    """
    if text is None and image is None and video is None:
        raise _nothing_to_check("give a text, an image, or both; or a video")
    names = [provider] if isinstance(provider, str) else list(provider)
    if video is not None and (text is not None or image is not None or {"replicate", "cog"} & set(names)):
        raise _nothing_to_check("a video is examined alone, and not by what a model said in an earlier step")
    kinds = tuple(kind for kind, given in (("text", text), ("image", image or video)) if given is not None)
    if not 1 <= len(names) <= MAX_PROVIDERS or len(set(names)) < len(names):
        raise _nothing_to_check(f"name 1 to {MAX_PROVIDERS} providers, each once")
    ruled = await _policy(ctx, policy)
    own = await _entries(ctx, words, wordlists, "words", list_category) if "wordlist" in names else ()
    given = _Given(
        words=(*(default_entries() if default_words else ()), *own),
        hashes=await _entries(ctx, hashes, hashlists, "hashes", list_category) if "hashlist" in names else (),
        algorithm=algorithm,
        max_distance=max_distance,
        rules=rules,
        prediction=prediction,
        classifier=classifier,
        labels=labels,
        scores=scores,
        kinds=kinds,
    )
    providers = await _providers(ctx, names, given, connection)
    rulings = Rulings(
        ruled,
        on_error=_stricter(on_error, ruled.get("on_error")),
        on_unsupported=_stricter(on_unsupported, ruled.get("on_unsupported")),
        combine=combine,
        sure_below=sure_below,
        timeout=timeout,
    )
    started = ctx.now()
    subject, content = await (_video(ctx, video, frames) if video else _subject(ctx, text, image))
    outcome = await examine(ctx, providers, content, rulings)
    parts = outcome.parts
    categories = [each for part in parts for each in part["categories"]]
    return {
        "schema": SCHEMA,
        "provider": ", ".join(names),
        "model": ", ".join(part["model"] for part in parts if part["model"]),
        "provider_request_id": ", ".join(
            part["provider_request_id"] for part in parts if part["provider_request_id"]
        ),
        "subject": subject,
        "status": outcome.status,
        "flagged": any(each["decision"] != "allow" for each in categories),
        "provider_flagged": any(part["provider_flagged"] for part in parts),
        "categories": categories,
        "action": outcome.action,
        "reason": outcome.reason,
        "policy": applied(ruled),
        "evaluated_at": f"{started:%Y-%m-%dT%H:%M:%S}Z",
        "latency_ms": round((ctx.now() - started).total_seconds() * 1000),
        "combine": combine,
        "parts": list(parts) if len(names) > 1 else [],
        "not_asked": list(outcome.not_asked),
    }


async def _policy(ctx: Context, policy: str | Policy | None) -> Policy:
    if isinstance(policy, str):
        path = policy_path(policy)
        try:
            return parse_policy(await ctx.project_file(path, max_bytes=MAX_POLICY_BYTES), policy)
        except NotFound as error:
            raise BadInput(error.message, code="C035", hint=f"write the policy into {path}") from error
    found: Policy = policy or {}
    check_policy(found)
    return found


def _stricter(own: Decision | None, policys: Decision | None) -> Decision:
    given: list[Decision] = [each for each in (own, policys) if each is not None]
    if not given:
        return "review"
    return stricter(given[0], given[-1])


async def _providers(ctx: Context, names: Sequence[str], given: _Given, connection: str) -> list[Provider]:
    remote = [name for name in names if name not in _LOCAL]
    if connection and len(remote) > 1:
        raise _nothing_to_check("connection names one provider's connection, and several are asked")
    return [_local(name, given) if name in _LOCAL else await _remote(ctx, name, connection) for name in names]


async def _remote(ctx: Context, name: str, connection: str) -> Provider:
    kind = _TYPES.get(name, name)
    client: Any = await ctx.open(connection or kind, type=kind)
    if not hasattr(client, "moderate"):
        raise _nothing_to_check(f"the connection type {kind!r} does not moderate")

    async def ask(text: str | None, image: Image | None) -> Assessment:
        found: Assessment = await client.moderate(text=text, image=image)
        return found

    return Provider(name, tuple(getattr(client, "moderates", ("text", "image"))), ask)


def _local(name: str, given: _Given) -> Provider:
    """A provider that works on this machine.

    Raises:
        BadInput: It was given nothing to look for, so everything would be allowed.
    """
    if name == "wordlist":
        if not given.words:
            raise _empty(name)

        async def ask_words(text: str | None, image: Image | None) -> Assessment:
            return await asyncio.to_thread(assess_text, text or "", given.words)

        return Provider(name, ("text",), ask_words, is_local=True)
    if name == "hashlist":
        if not given.hashes:
            raise _empty(name)

        async def ask_hashes(text: str | None, image: Image | None) -> Assessment:
            content = b"" if image is None else image.content
            return await asyncio.to_thread(
                assess_picture, content, given.hashes, given.algorithm, given.max_distance
            )

        return Provider(name, ("image",), ask_hashes, is_local=True)
    if name == "rules":
        rules = given.rules or {}
        check_rules(rules)
        if rules.get("category", "other") not in CATEGORIES:
            raise _no_category(rules["category"])

        async def ask_rules(text: str | None, image: Image | None) -> Assessment:
            return await asyncio.to_thread(assess_rules, text or "", rules)

        return Provider(name, ("text",), ask_rules, is_local=True)
    return _classified(name, given)


def _classified(name: str, given: _Given) -> Provider:
    prediction = given.prediction
    if prediction is None:
        raise _nothing_to_check(f"{name} reads the prediction of an earlier step; give prediction")
    if (given.classifier is None) == (given.scores is None) or given.scores == {}:
        raise _nothing_to_check("give either classifier or scores, which say what the prediction means")
    if (given.classifier == "labels") != (given.labels is not None):
        raise _nothing_to_check("labels belongs to the classifier labels")
    for category in (*(given.labels or {}).values(), *(given.scores or {})):
        if category and category not in CATEGORIES:
            raise _no_category(category)
    if prediction.get("provider", name) != name:
        raise _nothing_to_check(f"the prediction is not one of {name}")

    looked_at = seen_by(given.classifier, given.kinds)
    if not looked_at:
        raise _nothing_to_check(
            "the prediction does not say which of text and image the model was shown; give only that one"
        )

    async def ask(text: str | None, image: Image | None) -> Assessment:
        return assess_prediction(prediction, given.classifier, given.labels, given.scores, looked_at)

    return Provider(name, looked_at, ask, is_local=True)


async def _subject(ctx: Context, text: str | None, image: File | None) -> tuple[Subject, Content]:
    """What is examined, and its bytes."""
    encoded = b"" if text is None else text.encode("utf-8", "surrogatepass")
    text_digest = hashlib.sha256(encoded).hexdigest()
    if image is None:
        subject: Subject = {
            "kind": "text",
            "sha256": text_digest,
            "bytes": len(encoded),
            "ref": None,
            "text_sha256": None,
        }
        return subject, Content(text, None)
    subject = {
        "kind": "image" if text is None else "both",
        "sha256": image.sha256,
        "bytes": image.bytes,
        "ref": image.uri,
        "text_sha256": None if text is None else text_digest,
    }
    too_large = f"the picture is larger than {MAX_IMAGE_BYTES} bytes"
    if image.bytes is not None and image.bytes > MAX_IMAGE_BYTES:
        return subject, Content(text, None, too_large)
    try:
        content = await ctx.files.read(image, max_bytes=MAX_IMAGE_BYTES)
    except BadInput:
        return subject, Content(text, None, too_large)
    digest = hashlib.sha256(content).hexdigest()
    examined: Subject = {**subject, "sha256": digest, "bytes": len(content)}
    return examined, Content(text, Image(content, image.mime, image.uri))


async def _video(ctx: Context, video: File, count: int) -> tuple[Subject, Content]:
    """A video, and the frames that stand for it."""
    subject: Subject = {
        "kind": "video",
        "sha256": video.sha256,
        "bytes": video.bytes,
        "ref": video.uri,
        "text_sha256": None,
    }
    too_large = f"the video is larger than {MAX_VIDEO_BYTES} bytes"
    if video.bytes is not None and video.bytes > MAX_VIDEO_BYTES:
        return subject, Content(None, None, too_large)
    ffmpeg = find_ffmpeg()
    if not ffmpeg:
        return subject, Content(None, None, "the video was not examined: ffmpeg is not installed")
    path = await ctx.files.local_path(video)
    size, digest = await asyncio.to_thread(_measured, path)
    subject = {**subject, "sha256": digest, "bytes": size}
    if size > MAX_VIDEO_BYTES:
        return subject, Content(None, None, too_large)
    try:
        return subject, Content(None, None, frames=await sampled(path, count, ffmpeg))
    except NotExamined as error:
        return subject, Content(None, None, f"the video was not examined: {error}")


def _measured(path: Path) -> tuple[int, str]:
    with path.open("rb") as file:
        return path.stat().st_size, hashlib.file_digest(file, "sha256").hexdigest()


async def _entries(
    ctx: Context, given: Sequence[str] | None, files: Sequence[File] | None, name: str, category: str
) -> tuple[Entry, ...]:
    if category not in CATEGORIES:
        raise _no_category(category)
    found = list(entries(given or (), name, category))
    for file in files or ():
        content = await ctx.files.read(file, max_bytes=MAX_LIST_BYTES)
        found += entries(content.decode("utf-8-sig", "replace").splitlines(), file.name, category)
    return tuple(found)


def _no_category(name: str) -> BadInput:
    return BadInput(f"{name!r} is no category", code="C030", hint=f"categories are {', '.join(CATEGORIES)}")


def _empty(name: str) -> BadInput:
    return _nothing_to_check(f"{name} has an empty list, so everything would be allowed")


def _nothing_to_check(why: str) -> BadInput:
    return BadInput(why, code="C032", hint="see the parameters of moderation.check")
