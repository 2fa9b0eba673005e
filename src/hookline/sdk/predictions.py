"""One shape for a prediction, whatever ran it: Replicate, a Cog server, or a connector of your own.

An action that runs a model returns `Prediction`, built by `succeeded`. When the model or the
platform failed it raises what `failure` makes of the provider's text, so that ``error.type`` means
the same for every provider.

A prediction that failed was **started, and may have been billed**. `failure` therefore never
returns `RateLimited` or `Unavailable`: those promise that nothing was done, and the engine sends
again on them. A failure of the platform is `TimedOut` ("what was started did not end"); running it
again is a new prediction, and a workflow says so itself: ``"retry": {"on": ["timeout"]}``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, TypedDict

from .errors import ActionError, BadInput, ContentRejected, TimedOut
from .fields import Field
from .files import File
from .model_files import Archived

__all__ = ["Prediction", "amount", "failure", "iso", "parse_time", "succeeded"]

_LONGEST_ERROR = 2000

_CODE = re.compile(r"\((?:code: )?(E\d{3,4}|PA)\)")
_PLATFORM = frozenset(
    {"PA", "E1000", "E6716", "E8367", "E8765", "E9243", "E9825", "E9828", "E001", "E002", "E003", "E004"}
)
"""Faults of the platform, of the service behind a proxied model, or of its owner's account there."""

_REJECTED = re.compile(
    r"\bNSFW\b|flagged as sensitive|content policy|safety (?:system|checker)", re.IGNORECASE
)


class Prediction(TypedDict):
    """A finished prediction. Every key is always there."""

    status: Annotated[Literal["succeeded"], Field("Always succeeded: anything else fails the step.")]
    provider: Annotated[str, Field("What ran it: replicate or cog.", examples=["replicate"])]
    provider_job_id: Annotated[str, Field("The provider's own identifier.")]
    model_reference: Annotated[str, Field("Model and version that ran, as the provider names them.")]
    output_type: Annotated[
        Literal["text", "files", "json", "none"],
        Field(
            "What kind of output it is.",
            options={
                "text": "Text, in output_text.",
                "files": "One or more files and nothing else, in files.",
                "json": "Any other value, in output; files in it are in files as well.",
                "none": "The model returned nothing.",
            },
        ),
    ]
    output_text: Annotated[str | None, Field("The output as text; null when it is none.")]
    files: Annotated[
        list[Any],
        Field("Every file of the output, in its order, kept in the artifact store."),
        {"items": File.schema()},
    ]
    output: Annotated[Any, Field("The model's output; a file's address is replaced by its reference.")]
    error_type: Annotated[str | None, Field("Null: a failure is the step's error.")]
    error: Annotated[str | None, Field("Null: a failure is the step's error.")]
    latency_ms: Annotated[int, Field("Milliseconds from creation to completion.", minimum=0)]
    cost_usd: Annotated[
        float | None, Field("Estimated cost in US dollars; null when no price is known, 0 when cached.")
    ]
    attempts: Annotated[int, Field("Attempts of this step so far, the successful one included.")]
    cached: Annotated[bool, Field("Whether an earlier result was used instead of running the model.")]
    created_at: Annotated[str, Field("When it was created, UTC.", format="date-time")]
    completed_at: Annotated[str, Field("When it was finished, UTC.", format="date-time")]


def succeeded(
    *,
    provider: str,
    job_id: str,
    model: str,
    output: Archived,
    created_at: datetime,
    completed_at: datetime,
    attempts: int,
    cost_usd: float | None,
) -> Prediction:
    """The normalised form of a prediction whose files have been kept."""
    elapsed = (completed_at - created_at).total_seconds()
    return Prediction(
        status="succeeded",
        provider=provider,
        provider_job_id=job_id,
        model_reference=model,
        output_type=_output_type(output),
        output_text=output.text,
        files=[file.to_json() for file in output.files],
        output=output.value,
        error_type=None,
        error=None,
        latency_ms=max(0, round(elapsed * 1000)),
        cost_usd=cost_usd,
        attempts=attempts,
        cached=False,
        created_at=iso(created_at),
        completed_at=iso(completed_at),
    )


def failure(error: object, *, job: str, details: str = "") -> ActionError:
    """The typed error for a prediction that the provider reports as failed.

    Codes in the text, such as ``(E9828)`` or ``(code: PA)``, are those of Replicate and of the
    models that it proxies (https://replicate.com/docs/reference/error-codes, and production logs).

    Args:
        error: What the provider gives as the error, usually text.
        job: The prediction, for people: ``Replicate prediction gm3q…``.
        details: Where to read more, put after the hint.
    """
    text = _text_of(error)
    found = _CODE.search(text)
    code = found.group(1) if found else ""
    message = f"{job} failed: {text}"
    if code == "E005" or _REJECTED.search(text):
        return ContentRejected(message, hint=_hint("change the input: this content is refused", details))
    if code in _PLATFORM:
        return TimedOut(
            message,
            hint=_hint(
                "the platform failed, not the input; running it again is a new, possibly billed prediction: "
                'retry it with "retry": {"max_attempts": 2, "on": ["timeout"]}',
                details,
            ),
        )
    if code == "E1001":
        return BadInput(message, hint=_hint("the model ran out of memory: use a smaller input", details))
    if code == "E4875":
        return BadInput(message, hint=_hint("the webhook address is empty: set HOOKLINE_BASE_URL", details))
    return BadInput(
        message, hint=_hint("the model itself failed; check the values in input against its page", details)
    )


def parse_time(value: object) -> datetime | None:
    """A provider's RFC 3339 time, cut to microseconds; None when it is none."""
    if not isinstance(value, str):
        return None
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        return None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def amount(value: object) -> float | None:
    """A provider's number of seconds or units, finite and not less than 0; None when it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e15:
        return None
    return float(value)


def iso(moment: datetime) -> str:
    """A time in UTC as text, with milliseconds: ``2026-11-18T11:06:40.000Z``."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _output_type(output: Archived) -> Literal["text", "files", "json", "none"]:
    if output.value is None:
        return "none"
    if output.text is not None:
        return "text"
    return "files" if output.files and output.only_files else "json"


def _text_of(error: object) -> str:
    if isinstance(error, Mapping):
        error = next((error[key] for key in ("detail", "message", "error") if error.get(key)), error)
    if isinstance(error, Sequence) and not isinstance(error, str) and error:
        error = error[0]
    text = " ".join(str(error or "it gives no reason").split())
    return text if len(text) <= _LONGEST_ERROR else f"{text[:_LONGEST_ERROR]}…"


def _hint(hint: str, details: str) -> str:
    return f"{hint}; {details}" if details else hint
