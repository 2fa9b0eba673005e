"""A thin client of the Replicate API: one call, one request, nothing repeated.

Why it is our own is in ``docs/adr/0004-thin-replicate-client.md``. Facts are from the published
OpenAPI document (https://api.replicate.com/openapi.json, version 1.0.0-a1).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from urllib.parse import quote, urlsplit

from hookline.sdk import (
    ActionError,
    File,
    Http,
    MalformedOutput,
    OutcomeUnknown,
    Response,
    Unavailable,
)
from hookline.sdk.predictions import iso

from .catalogue import Catalogue
from .owners import Owners
from .problems import raise_problem
from .records import Remote, Target
from .signature import is_signed

__all__ = ["MAX_UPLOAD", "READ_TIMEOUT", "UPLOAD_TIMEOUT", "Listing", "ReplicateClient"]

Json = Any

CREATE_TIMEOUT = 30.0
"""Seconds for the answer of a create request. Without ``Prefer: wait`` it comes at once."""

READ_TIMEOUT = 30.0
UPLOAD_TIMEOUT = 300.0
MAX_UPLOAD = 100_000_000
"""Bytes the Files API takes."""

MAX_PAGES = 20
"""Pages of 100 predictions looked through for a lost one."""

SECRET_AGE = 300.0
"""Seconds between two fetches of the webhook secret."""


@dataclass(frozen=True, slots=True)
class Listing:
    """Predictions since a moment, newest first.

    Attributes:
        complete: Whether the list was followed to its end.
    """

    predictions: tuple[Remote, ...]
    complete: bool


class ReplicateClient:
    """The API under one token.

    Args:
        http: Client for `base_url`, which carries the token to that origin only.
        base_url: ``https://api.replicate.com/v1/``, ending in a slash.
        webhook_secrets: Each ``whsec_…``; fetched when first needed if there is none.
        secret_inputs: Inputs by model, which its predictions are given beside those of the step.

    Attributes:
        webhook_secrets: What webhooks are signed with: as configured, or as it was last fetched. Any of
            them will do; empty when none is known.
    """

    def __init__(
        self,
        http: Http,
        base_url: str,
        webhook_secrets: Collection[str] = (),
        secret_inputs: Mapping[str, Mapping[str, str]] | None = None,
    ) -> None:
        self.http = http
        self.base_url = base_url
        self.webhook_secrets = tuple(webhook_secrets)
        self._secret_is_given = bool(webhook_secrets)
        self._secret_at: datetime | None = None
        self.secret_inputs = secret_inputs or {}
        self.catalogue = Catalogue(self.get)
        self.owners = Owners()

    async def create(self, target: Target, body: Mapping[str, Json], *, cancel_after: int | None) -> Remote:
        """Create a prediction: exactly one POST.

        Raises:
            RateLimited, Unavailable: Nothing was created.
            OutcomeUnknown: It may have been created: a 5xx, a lost or an unreadable answer.
            ActionError: Refused; nothing was created.
        """
        headers = {} if cancel_after is None else {"Cancel-After": f"{cancel_after}s"}
        try:
            response = await self.http.request(
                "POST", target.path, json=body, headers=headers, timeout=CREATE_TIMEOUT
            )
        except MalformedOutput as error:
            raise _lost(error.message) from error
        raise_problem(response, effect="check")
        try:
            return Remote.read(response.json())
        except MalformedOutput as error:
            raise _lost(error.message) from error

    async def job(self, job: str, kind: str = "predictions") -> Remote:
        """The prediction or training as it is now."""
        return Remote.read(await self.get(f"{kind}/{quote(job, safe='')}"))

    async def cancel(self, job: str, kind: str = "predictions") -> None:
        """Stop a prediction or training; one that is over already is left as it is."""
        response = await self.http.request(
            "POST", f"{kind}/{quote(job, safe='')}/cancel", timeout=READ_TIMEOUT
        )
        if response.status not in (404, 409, 422):
            raise_problem(response, effect="read")

    async def created_since(
        self, moment: datetime, kind: str = "predictions", *, before: datetime | None = None
    ) -> Listing:
        """The account's predictions or trainings created at `moment` or later.

        Args:
            before: Only predictions created before it.

        Raises:
            MalformedOutput: A page points to another origin: the token is not sent there.
        """
        found: list[Remote] = []
        # Trainings cannot be filtered; they too are listed newest first, so an older one ends it.
        until = {} if before is None else {"created_before": iso(before)}
        params = {"created_after": iso(moment), **until} if kind == "predictions" else None
        page = await self.get(kind, params=params)
        for _ in range(MAX_PAGES):
            results = page.get("results") if isinstance(page, Mapping) else None
            if not isinstance(results, list):
                raise MalformedOutput(f"Replicate answered a list of {kind} that is none")
            remotes = [Remote.read(item) for item in results]
            recent = [item for item in remotes if item.created_at is None or item.created_at >= moment]
            found += recent
            following = self.same_origin(page.get("next"))
            if following is None or len(recent) < len(remotes):
                return Listing(tuple(found), complete=True)
            page = await self.get(following)
        return Listing(tuple(found), complete=False)

    async def upload(self, content: bytes, file: File) -> str:
        """Keep a file for use as an input, for about a day; returns its address.

        Raises:
            Unavailable: Not uploaded, or not known to be; a forgotten upload harms nobody.
        """
        try:
            response = await self.http.request(
                "POST", "files", files={"content": (file.name, content, file.mime)}, timeout=UPLOAD_TIMEOUT
            )
            raise_problem(response, effect="read")
            answer = response.json()
        except (OutcomeUnknown, MalformedOutput) as error:
            raise Unavailable(f"the file {file.name!r} could not be uploaded: {error.message}") from error
        urls = answer.get("urls") if isinstance(answer, Mapping) else None
        address = urls.get("get") if isinstance(urls, Mapping) else None
        if not isinstance(address, str):
            raise Unavailable(f"the file {file.name!r} could not be uploaded: Replicate gave no address")
        return address

    async def account(self) -> str:
        """Whose token it is."""
        answer = await self.get("account")
        name = answer.get("username") if isinstance(answer, Mapping) else None
        if not isinstance(name, str):
            raise MalformedOutput("Replicate's answer names no account")
        return name

    async def is_genuine(
        self, headers: Mapping[str, str], body: bytes, *, now: datetime, fresh: bool = True
    ) -> bool:
        """Whether a webhook is signed with the account's secret.

        A secret that was fetched is fetched again when a signature is wrong, at most once in
        `SECRET_AGE` seconds: it may have been changed.

        Args:
            fresh: Refuse old messages. False for a message that was checked when it arrived.
        """
        checked_at = now if fresh else None
        if self.is_signed(headers, body, now=checked_at):
            return True
        if self._secret_is_given or "webhook-signature" not in headers:
            return False
        if self._secret_at is not None and (now - self._secret_at).total_seconds() < SECRET_AGE:
            return False
        try:
            answer = await self.get("webhooks/default/secret")
        except ActionError:
            return False
        self._secret_at = now
        key = answer.get("key") if isinstance(answer, Mapping) else None
        self.webhook_secrets = (key,) if isinstance(key, str) and key else ()
        return self.is_signed(headers, body, now=checked_at)

    def is_signed(self, headers: Mapping[str, str], body: bytes, *, now: datetime | None) -> bool:
        """Whether a webhook is signed with one of the secrets that are known; asks nobody."""
        return any(is_signed(secret, headers, body, now=now) for secret in self.webhook_secrets)

    def owns(self, url: str) -> bool:
        """Whether an address is on the API's own origin, where the token may go."""
        try:
            ours, theirs = urlsplit(self.base_url), urlsplit(url)
            return (ours.scheme, ours.hostname, ours.port) == (theirs.scheme, theirs.hostname, theirs.port)
        except ValueError:
            return False

    async def get(self, url: str, *, params: Mapping[str, str] | None = None) -> Json:
        """The JSON at a path of the API, or at one of its own addresses.

        Raises:
            Unavailable: No answer came; asking again does no harm.
        """
        try:
            response: Response = await self.http.request("GET", url, params=params, timeout=READ_TIMEOUT)
        except OutcomeUnknown as error:
            raise Unavailable(error.message, hint=error.hint, retry_after=error.retry_after) from error
        raise_problem(response, effect="read")
        return response.json()

    async def send(
        self,
        method: str,
        path: str,
        *,
        effect: Literal["check", "read"],
        json: Json = ...,
        accept: tuple[int, ...] = (),
    ) -> Response:
        """Send one request that changes something.

        Args:
            effect: ``check`` when repeating it could do harm: a lost answer and a 5xx are then
                `OutcomeUnknown`.
            accept: Further statuses that the caller understands.
        """
        try:
            response: Response = await self.http.request(method, path, json=json, timeout=READ_TIMEOUT)
        except OutcomeUnknown as error:
            if effect == "check":
                raise
            raise Unavailable(error.message, hint=error.hint, retry_after=error.retry_after) from error
        except MalformedOutput as error:
            if effect == "check":
                raise _lost(error.message) from error
            raise
        if response.status not in accept:
            raise_problem(response, effect=effect)
        return response

    async def delete(self, path: str) -> bool:
        """Delete something; False when it was not there (any more)."""
        response = await self.send("DELETE", path, effect="read", accept=(404,))
        return response.status != 404

    def same_origin(self, following: Json) -> str | None:
        """The next page's address on our own origin, None when there is none.

        Replicate documents addresses whose scheme is not that of the API, so only the host counts;
        the API answers ``"null"`` as a text in places.
        """
        if following is None or following in ("", "null"):
            return None
        try:
            ours, theirs = urlsplit(self.base_url), urlsplit(str(following))
            same = theirs.hostname == ours.hostname and theirs.port in (None, ours.port)
        except ValueError:
            same = False
        if not same or theirs.username is not None or not theirs.path.startswith(ours.path):
            raise MalformedOutput(
                "a list continues on another host; it was not followed",
                hint="check the address of the Replicate connection",
            )
        return f"{ours.scheme}://{ours.netloc}{theirs.path}?{theirs.query}"


def _lost(reason: str) -> OutcomeUnknown:
    return OutcomeUnknown(
        f"Replicate took the request, and its answer cannot be read: {reason}",
        hint="it is looked for in the account; nothing is sent again until that is known",
    )
