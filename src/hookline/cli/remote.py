"""A server's runs, events and approvals, through its HTTP API."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any
from urllib.parse import quote, urlsplit

import httpx

from .errors import FAILED, USAGE, CliError
from .office import iso, refused

__all__ = ["Remote"]

Json = Any

TIMEOUT = 30.0
"""Seconds for one request."""

STREAM_TIMEOUT = 60.0
"""Seconds without a word of a stream; a server speaks every 5."""


class Remote:
    """`hookline.cli.office.Office` over a server's API.

    Args:
        server: Its address, ``https://hooks.example.com``.
        token: Sent as bearer token, None for a development server.

    Raises:
        CliError: The address is none, or the token would travel unencrypted.
    """

    def __init__(self, server: str, token: str | None) -> None:
        parts = urlsplit(server)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise CliError(f"{server!r} is not a server's address", hint="write https://hooks.example.com")
        is_here = parts.hostname in ("127.0.0.1", "::1", "localhost")
        if token is not None and parts.scheme == "http" and not is_here:
            raise refused(f"the token is not sent to {server} without encryption", hint="use https://")
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        self._client = httpx.Client(
            base_url=f"{server.rstrip('/')}/api/v1/",
            headers=headers,
            timeout=TIMEOUT,
            follow_redirects=False,
            # A server on this machine is not behind the proxy of the environment.
            trust_env=not is_here,
        )
        self._server = server
        self.address = server

    def __enter__(self) -> Remote:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def _ask(self, method: str, path: str, body: Json = None, **query: Json) -> Json:
        params = {name: str(value) for name, value in query.items() if value is not None}
        content: dict[str, Json] = {} if body is None else {"json": body}
        try:
            response = self._client.request(method, path, params=params, **content)
        except httpx.HTTPError as error:
            raise refused(
                f"{self._server} cannot be reached: {error}", hint="is the address right, does it run?"
            ) from error
        if response.is_success:
            return response.json()
        raise _problem(self._server, response)

    def runs(self, workflow: str | None, status: str | None, since: float | None, limit: int) -> Json:
        moment = None if since is None else iso(since)
        return self._ask("GET", "runs", workflow=workflow, status=status, since=moment, limit=limit)

    def run(self, run_id: str) -> Json:
        return self._ask("GET", f"runs/{_part(run_id)}")

    def texts(self, run_id: str) -> Iterator[Json]:
        """What the run's steps show while they are at work, until the run is over.

        Raises:
            httpx.HTTPError: The connection broke.
        """
        from hookline.sdk.sse import SseParser

        parser = SseParser()
        # What has happened is read elsewhere: no history is that long.
        path, query = f"runs/{_part(run_id)}/stream", {"after": "9" * 15}
        with self._client.stream("GET", path, params=query, timeout=STREAM_TIMEOUT) as response:
            if not response.is_success:
                return
            for piece in response.iter_raw():
                for event in parser.feed(piece):
                    if event.event == "end":
                        return
                    if event.event == "text":
                        yield json.loads(event.data)

    def history(self, run_id: str) -> Json:
        return self._ask("GET", f"runs/{_part(run_id)}/history")

    def cancel(self, run_id: str, reason: str, by: str) -> Json:
        return self._ask("POST", f"runs/{_part(run_id)}/cancel", {"reason": reason, "by": by})

    def replay(self, run_id: str, options: Mapping[str, Json]) -> Json:
        body = {name: value for name, value in options.items() if value is not None}
        return self._ask("POST", f"runs/{_part(run_id)}/replay", body)

    def resume(self, run_id: str, version: str, by: str) -> Json:
        return self._ask("POST", f"runs/{_part(run_id)}/resume", {"version": version, "by": by})

    def events(self, where: Mapping[str, Json], limit: int) -> Json:
        return self._ask("GET", "events", **_moments(where), limit=limit)

    def event(self, event_id: str) -> Json:
        return self._ask("GET", f"events/{_part(event_id)}")

    def select_events(self, where: Mapping[str, Json], name: str) -> Json:
        return self._ask("POST", "events/replay", {**_moments(where), "name": name, "dry_run": True})

    def replay_event(self, event_id: str, version: str, name: str) -> Json:
        body = {"version": version, "name": name} if name else {"version": version}
        return self._ask("POST", f"events/{_part(event_id)}/replay", body)

    def start(self, workflow: str, data: Json, inputs: Mapping[str, Json] | None) -> Json:
        body: dict[str, Json] = {"workflow": workflow, "trigger": data}
        return self._ask("POST", "runs", body if inputs is None else {**body, "inputs": dict(inputs)})

    def costs(self, by: str, since: float | None, until: float | None) -> Json:
        first, last = (None if moment is None else iso(moment) for moment in (since, until))
        return self._ask("GET", "costs", by=by, since=first, until=last)

    def connections(self) -> Json:
        return self._ask("GET", "connections")

    def approvals(self, status: str | None, limit: int) -> Json:
        return self._ask("GET", "approvals", status=status, limit=limit)

    def approval(self, approval_id: str) -> Json:
        return self._ask("GET", f"approvals/{_part(approval_id)}")

    def decide(self, approval_id: str, decision: str, by: str, comment: str, form: Json) -> Json:
        body: dict[str, Json] = {"decision": decision, "by": by, "comment": comment}
        if form is not None:
            body["form"] = form
        return self._ask("POST", f"approvals/{_part(approval_id)}", body)

    def triggers(self) -> Json:
        return self._ask("GET", "triggers")

    def schedules(self) -> Json:
        return self._ask("GET", "schedules")

    def next_ticks(self, workflow: str, trigger: str | None, count: int) -> Json:
        return self._ask("GET", f"schedules/{_part(workflow)}/next", trigger=trigger, count=count)

    def pause_schedule(self, workflow: str, trigger: str | None, by: str) -> Json:
        return self._ask("POST", f"schedules/{_part(workflow)}/pause", _which(trigger))

    def resume_schedule(self, workflow: str, trigger: str | None, by: str) -> Json:
        return self._ask("POST", f"schedules/{_part(workflow)}/resume", _which(trigger))

    def backfill(
        self, workflow: str, trigger: str | None, since: str, until: str, limit: int, dry_run: bool
    ) -> Json:
        body = {**_which(trigger), "from": since, "to": until, "limit": limit, "dry_run": dry_run}
        return self._ask("POST", f"schedules/{_part(workflow)}/backfill", body)


def _which(trigger: str | None) -> dict[str, Json]:
    return {} if trigger is None else {"trigger": trigger}


def _moments(where: Mapping[str, Json]) -> dict[str, Json]:
    """A filter as the API reads it."""
    return {name: iso(value) if name in ("since", "until") else value for name, value in where.items()}


def _part(text: str) -> str:
    return quote(text, safe="")


def _problem(server: str, response: httpx.Response) -> CliError:
    """What a refusal says (RFC 9457), as an error of the command line."""
    try:
        found = response.json()
    except ValueError:
        found = {}
    body: dict[str, Json] = found if isinstance(found, dict) else {}
    detail = str(body.get("detail") or f"{server} answered {response.status_code}")
    code, hint = str(body.get("code", "")), str(body.get("hint", ""))
    if response.status_code == 401 or (response.status_code == 403 and not code.startswith("R")):
        return refused(detail, code=code, hint="put an access token of this server into HOOKLINE_TOKEN")
    if response.status_code >= 500:
        return refused(detail, code=code, hint=hint)
    is_usage = response.status_code in (403, 404, 409, 422)
    return CliError(detail, code=code, hint=hint, exit_code=USAGE if is_usage else FAILED)
