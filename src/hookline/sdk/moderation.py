"""What a moderation provider says, in one form, whoever it is.

A connection whose client has ``async moderate(*, text=…, image=…) -> Assessment`` is a provider for
``moderation.check``: ``{"uses": "moderation.check", "with": {"provider": "<connection type>"}}``.
``text`` (str), ``image`` (`Image`) or both are given, never what the client's ``moderates`` leaves out:
``moderates = ("image",)``; a client without it is given both kinds. The provider reports; it does not
decide. It raises an `ActionError` when it cannot assess, and never answers "nothing found" instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, Protocol

__all__ = ["CATEGORIES", "Assessment", "Finding", "Image", "ModerationProvider", "ScoreKind"]

ScoreKind = Literal["probability", "severity", "label_only"]

CATEGORIES: Final = (
    "sexual",
    "sexual_minors",
    "nudity_suggestive",
    "hate",
    "harassment",
    "harassment_threat",
    "violence",
    "violence_graphic",
    "self_harm",
    "illicit",
    "weapons_drugs",
    "profanity",
    "other",
)
"""The names of categories. What a provider calls differently and fits none is ``other``."""


@dataclass(frozen=True, slots=True)
class Image:
    """A picture to assess.

    Attributes:
        content: The bytes as they are.
        mime: Its declared media type.
        uri: Where the file is, for the record.
    """

    content: bytes
    mime: str
    uri: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a provider says about one category.

    Attributes:
        name: One of `CATEGORIES`.
        score: 0 to 1. A mere label counts as 1.
        score_kind: What the score is: a ``probability``, a ``severity``, or ``label_only``.
        evaluated: False when the provider does not look at this category for this content: its
            score says nothing then.
        provider_name: The provider's own name of the category.
        applied_to: What was looked at: ``text``, ``image``.
    """

    name: str
    score: float
    score_kind: ScoreKind = "probability"
    evaluated: bool = True
    provider_name: str = ""
    applied_to: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Assessment:
    """What a provider says about one text, picture, or both.

    Attributes:
        findings: Every category that was looked at, also those without anything found.
        flagged: The provider's own judgement.
        unsupported: Why the content was not looked at, ``""`` when it was.
        model: Version of the model or list.
        request_id: The provider's identifier of this answer.
    """

    findings: Sequence[Finding] = ()
    flagged: bool = False
    unsupported: str = ""
    model: str = ""
    request_id: str = ""


class ModerationProvider(Protocol):
    """The client of a connection that moderates."""

    async def moderate(self, *, text: str | None = None, image: Image | None = None) -> Assessment:
        """Assess a text, a picture, or a text with its picture."""
