"""From a prediction that is over to the step's result: its files kept, its failure typed."""

from __future__ import annotations

from datetime import datetime, timedelta
from urllib.parse import urlsplit

from hookline.sdk import (
    ActionError,
    AuthenticationFailed,
    BadInput,
    Canceled,
    Context,
    File,
    MalformedOutput,
    NotFound,
    OutcomeUnknown,
    RateLimited,
    TimedOut,
    Unavailable,
    parse_duration,
)
from hookline.sdk.expectations import check_output
from hookline.sdk.model_files import ModelSchema, archive, web_urls
from hookline.sdk.predictions import Prediction, succeeded

from .client import ReplicateClient
from .failures import failed
from .prices import charge, estimate
from .records import Remote, Wanted

__all__ = ["finish", "not_succeeded"]

_DELIVERY = "replicate.delivery"
"""Replicate's own host of output files; addresses elsewhere may be a model's text."""

SPREADING = 60.0
"""Seconds after its end in which what is missing may only be late; files are kept for an hour."""

_EXPIRED = (
    "Replicate deletes the outputs of API predictions one hour after they end; let the step run, or "
    "be woken, within that hour"
)

_BILLED = "the prediction ran and was probably billed; look at its output on replicate.com"


async def finish(ctx: Context, client: ReplicateClient, wanted: Wanted, remote: Remote) -> Prediction:
    """The normalised result of a prediction whose status is final.

    Raises:
        ActionError: It did not succeed.
        NotFound: Its output is gone already.
        RateLimited, Unavailable, OutcomeUnknown: A file cannot be fetched just now.
    """
    cost = await estimate(ctx, remote, wanted.hardware)
    if remote.status != "succeeded":
        charge(ctx, remote, cost)
        limit = None if wanted.run_timeout is None else parse_duration(wanted.run_timeout, name="run_timeout")
        raise not_succeeded(remote, ctx.now(), run_timeout=limit)
    if remote.data_removed:
        charge(ctx, remote, cost)
        raise NotFound(f"the output of Replicate prediction {remote.id} is gone", hint=_EXPIRED)
    schema = await _schema(ctx, client, remote) if _needs_schema(remote) else None

    async def download(url: str, name: str) -> File:
        return await _download(ctx, client, remote, url, name)

    try:
        output = await archive(
            remote.output, files=ctx.files, download=download, schema=schema, addresses="unless_text"
        )
    except (RateLimited, Unavailable, OutcomeUnknown):
        raise  # It is tried again, and is charged for once it is here.
    except ActionError:
        charge(ctx, remote, cost)
        raise
    charge(ctx, remote, cost)
    completed_at = remote.completed_at or ctx.now()
    result = succeeded(
        provider="replicate",
        job_id=remote.id,
        model=remote.reference,
        output=output,
        created_at=remote.created_at or _began(remote, completed_at),
        completed_at=completed_at,
        attempts=ctx.attempt,
        cost_usd=cost,
    )
    return check_output(result, wanted.expect, hint=_BILLED) if wanted.expect else result


async def _download(ctx: Context, client: ReplicateClient, remote: Remote, url: str, name: str) -> File:
    """Copy one output. The token goes to the API's own origin only, and only when it is asked for."""
    try:
        return await ctx.http.download(url, name=name)
    except AuthenticationFailed as error:
        if client.owns(url):
            return await client.http.download(url, name=name)
        raise NotFound(
            f"an output file of Replicate prediction {remote.id} cannot be had: {error.message}",
            hint=_EXPIRED,
        ) from error
    except NotFound as error:
        if _has_just_ended(remote, ctx.now()):
            raise Unavailable(
                f"an output file of Replicate prediction {remote.id} is not there yet: {error.message}"
            ) from error
        raise NotFound(
            f"an output file of Replicate prediction {remote.id} is gone: {error.message}", hint=_EXPIRED
        ) from error
    except (BadInput, MalformedOutput) as error:
        raise type(error)(
            f"an output file of Replicate prediction {remote.id} cannot be kept: {error.message}",
            code=error.code,
            hint=error.hint or "it succeeded, and was billed: look at it on replicate.com within the hour",
        ) from error


async def _schema(ctx: Context, client: ReplicateClient, remote: Remote) -> ModelSchema | None:
    """What tells a text from a file; without it, after a while, by the looks of the output."""
    try:
        return await client.catalogue.output_schema(remote, ctx.now())
    except (RateLimited, Unavailable):
        if _has_just_ended(remote, ctx.now()):
            raise
        return None


def _has_just_ended(remote: Remote, now: datetime) -> bool:
    return remote.completed_at is not None and (now - remote.completed_at).total_seconds() < SPREADING


def _needs_schema(remote: Remote) -> bool:
    """Whether the output alone does not tell texts from files, or pieces of a text from a list."""
    output = remote.output
    urls = web_urls(output)
    if any(not _is_delivery(url) for url in urls):
        return True
    return (
        isinstance(output, list) and any(isinstance(item, str) for item in output) and len(urls) < len(output)
    )


def _is_delivery(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    return host == _DELIVERY or host.endswith(f".{_DELIVERY}")


def not_succeeded(
    remote: Remote, now: datetime, *, noun: str = "prediction", run_timeout: float | None = None
) -> ActionError:
    """The typed error of a prediction that is over and did not succeed."""
    job = f"Replicate {noun} {remote.id}"
    if remote.status == "failed":
        return failed(remote.error, job=job, page=remote.page)
    over = remote.completed_at or now
    if remote.deadline is not None and over >= remote.deadline - timedelta(seconds=1):
        return TimedOut(
            f"{job} was stopped at its deadline ({remote.status})",
            hint="a model that was not used lately first has to start, which can take minutes: give the "
            "step a longer timeout, and limit the running alone with run_timeout",
        )
    if run_timeout is not None and remote.started_at is not None:
        ran = (over - remote.started_at).total_seconds()
        if ran >= run_timeout - 1:
            return TimedOut(
                f"{job} was stopped: it ran {ran:.0f} s, and run_timeout is {run_timeout:g} s",
                hint="raise run_timeout, or ask the model for less; the time it ran is billed",
            )
    return Canceled(f"{job} was {remote.status}", hint="somebody stopped it on replicate.com or by the API")


def _began(remote: Remote, completed_at: datetime) -> datetime:
    return completed_at - timedelta(seconds=remote.total_seconds or remote.predict_seconds or 0.0)
