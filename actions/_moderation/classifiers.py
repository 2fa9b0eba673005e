"""The providers ``replicate`` and ``cog``: what a finished prediction of a classifier says.

The model is run by a step of its own (`replicate.run`, `cog.run`), which is durable and never paid for
twice; this reads its result. A result that is not of the expected shape is an error, never "nothing found".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, Literal

from hookline.sdk import MalformedOutput
from hookline.sdk.moderation import Assessment, Finding

__all__ = ["Classifier", "assess_prediction", "seen_by"]

Json = Any
Classifier = Literal["nsfw", "llama_guard_2", "llama_guard_3", "llama_guard_4", "labels"]

_LLAMA_GUARD: Final = {
    "S1": "violence",
    "S2": "illicit",
    "S3": "sexual",
    "S4": "sexual_minors",
    "S5": "other",
    "S6": "other",
    "S7": "other",
    "S8": "other",
    "S9": "weapons_drugs",
    "S10": "hate",
    "S11": "self_harm",
    "S12": "sexual",
    "S13": "other",
    "S14": "other",
}
"""Hazards of Llama Guard 3 and 4, from their model cards."""

_LLAMA_GUARD_2: Final = {
    "S1": "violence",
    "S2": "illicit",
    "S3": "sexual",
    "S4": "sexual_minors",
    "S5": "other",
    "S6": "other",
    "S7": "other",
    "S8": "weapons_drugs",
    "S9": "hate",
    "S10": "self_harm",
    "S11": "sexual",
}
"""Hazards of Llama Guard 2: it has no defamation, so the numbers from S5 on mean something else."""

_CODES = re.compile(r"S\d{1,2}(?:[,\s]+S\d{1,2})*", re.ASCII)


def assess_prediction(
    prediction: Mapping[str, Json],
    classifier: Classifier | None,
    labels: Mapping[str, str] | None,
    scores: Mapping[str, Json] | None,
    kinds: tuple[str, ...],
) -> Assessment:
    """Read what a classifier found.

    Args:
        prediction: The output of `replicate.run` or `cog.run`.
        classifier: Shape of its output.
        labels: The classifier's labels, and the category of each; ``""`` for a harmless one.
        scores: Category to score, computed by the workflow, in place of `classifier`.
        kinds: What the model was shown: text, image.

    Raises:
        MalformedOutput: The prediction did not succeed, or its output is not of that shape.
    """
    if prediction.get("status") != "succeeded":
        raise MalformedOutput(f"the prediction is {str(prediction.get('status'))[:40]!r}, not succeeded")
    output = prediction.get("output")
    if scores is not None:
        findings = [Finding(name, score, applied_to=kinds) for name, score in scores.items()]
    elif classifier == "nsfw":
        findings = _nsfw(output, kinds)
    elif classifier == "labels":
        findings = _labels(output, labels or {}, kinds)
    else:
        hazards = _LLAMA_GUARD_2 if classifier == "llama_guard_2" else _LLAMA_GUARD
        findings = _llama_guard(output, hazards, kinds)
    return Assessment(
        findings,
        flagged=any(_number(each.score) >= 0.5 for each in findings),
        model=str(prediction.get("model_reference") or ""),
        request_id=str(prediction.get("provider_job_id") or ""),
    )


def seen_by(classifier: Classifier | None, kinds: tuple[str, ...]) -> tuple[str, ...]:
    """What a model of this shape looks at; empty when text and image are given and nobody knows which.

    An image classifier has not seen the text beside its picture. Llama Guard 2 and 3 read text; version 4
    sees pictures too, but its makers do not mean it for pictures alone.
    """
    if classifier == "nsfw":
        return ("image",)
    if classifier in ("llama_guard_2", "llama_guard_3"):
        return ("text",)
    if classifier == "llama_guard_4":
        return ("text", "image") if "text" in kinds else ("text",)
    return kinds if len(kinds) == 1 else ()


def _nsfw(output: Json, kinds: tuple[str, ...]) -> list[Finding]:
    """``normal`` or ``nsfw``, without a score (falcons-ai/nsfw_image_detection)."""
    label = output.strip().lower() if isinstance(output, str) else None
    if label not in ("normal", "nsfw"):
        raise MalformedOutput("the classifier said neither normal nor nsfw")
    return [Finding("sexual", float(label == "nsfw"), "label_only", provider_name=label, applied_to=kinds)]


def _llama_guard(output: Json, hazards: Mapping[str, str], kinds: tuple[str, ...]) -> list[Finding]:
    """``safe``, or ``unsafe`` and on the next line the hazards. Nothing else counts as safe."""
    if isinstance(output, list) and all(isinstance(piece, str) for piece in output):
        output = "".join(output)  # a language model's output comes in pieces
    if not isinstance(output, str):
        raise MalformedOutput("the model's output is no text")
    first, *rest = output.strip().split(None, 1) or [""]
    codes = (rest[0] if rest else "").strip().upper()
    if first.lower() == "safe" and not codes:
        found: set[str] = set()
    elif first.lower() == "unsafe" and _CODES.fullmatch(codes):
        found = set(re.split(r"[,\s]+", codes))
    else:
        raise MalformedOutput("the model said neither safe, nor unsafe and why")
    unknown = dict.fromkeys(sorted(found - set(hazards)), "other")
    return [
        Finding(category, float(code in found), "label_only", provider_name=code, applied_to=kinds)
        for code, category in {**hazards, **unknown}.items()
    ]


def _labels(output: Json, labels: Mapping[str, str], kinds: tuple[str, ...]) -> list[Finding]:
    """A list of ``{"label": …, "score": …}``, or an object of label to score."""
    if isinstance(output, Mapping):
        pairs = list(output.items())
    elif isinstance(output, list) and all(isinstance(each, Mapping) for each in output):
        pairs = [(each.get("label"), each.get("score")) for each in output]
    else:
        raise MalformedOutput("the classifier's output is no list of labels with scores")
    names = [name for name, _ in pairs]
    if not pairs or not all(isinstance(name, str) for name in names) or len(set(names)) < len(names):
        raise MalformedOutput("the classifier's output is no list of labels with scores")
    missing = sorted(set(labels) - set(names))
    if missing:
        raise MalformedOutput(f"the classifier did not say anything about {missing[0]!r}")
    return [
        Finding(labels.get(name, "other"), score, provider_name=name, applied_to=kinds)
        for name, score in pairs
        if labels.get(name) != ""
    ]


def _number(score: Json) -> float:
    return float(score) if isinstance(score, int | float) and not isinstance(score, bool) else 0.0
