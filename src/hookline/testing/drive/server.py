"""The stand-in as one object: it starts, it serves, it stops."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import asdict
from types import TracebackType
from typing import Self

from hookline.testing.clock import Clock, SystemClock
from hookline.testing.drive.auth import WRITES, Accounts, Grant
from hookline.testing.drive.change_routes import Changes, Pushes
from hookline.testing.drive.control import Control
from hookline.testing.drive.errors import DriveError, TokenError, not_found
from hookline.testing.drive.fault_names import FAULTS
from hookline.testing.drive.file_routes import Files
from hookline.testing.drive.holdings import Holdings
from hookline.testing.drive.media import export
from hookline.testing.drive.parameters import Parameters
from hookline.testing.drive.people import People
from hookline.testing.drive.records import Channel, Logged, Push
from hookline.testing.drive.upload_routes import UPLOAD_PATH, Uploads
from hookline.testing.faults import FaultPlan
from hookline.testing.httpd import Answer, Hang, HttpServer, Request, Reset, Response
from hookline.testing.ports import LOOPBACK

__all__ = ["DriveStandIn"]

API = "/drive/v3"
_HTML = "<!DOCTYPE html><html><head><title>Error 500 (Server Error)!!1</title></head></html>"
_ROUTES: tuple[tuple[str, str, str, str], ...] = (
    ("GET", f"{API}/about", "about.get", "files"),
    ("GET", f"{API}/changes/startPageToken", "changes.getStartPageToken", "changes"),
    ("GET", f"{API}/changes", "changes.list", "changes"),
    ("POST", f"{API}/changes/watch", "changes.watch", "watch"),
    ("POST", f"{API}/channels/stop", "channels.stop", "watch"),
    ("GET", f"{API}/drives/([^/]+)", "drives.get", "files"),
    ("GET", f"{API}/files/generateIds", "files.generateIds", "files"),
    ("GET", f"{API}/files", "files.list", "files"),
    ("POST", f"{API}/files", "files.create", "files"),
    ("GET", f"{API}/files/([^/]+)/export", "files.export", "content"),
    ("GET", f"{API}/files/([^/]+)/revisions/[^/]+", "revisions.get", "content"),
    ("POST", f"{API}/files/([^/]+)/copy", "files.copy", "files"),
    ("GET", f"{API}/files/([^/]+)", "files.get", "files"),
    ("PATCH", f"{API}/files/([^/]+)", "files.update", "files"),
    ("DELETE", f"{API}/files/([^/]+)", "files.delete", "files"),
    ("POST", UPLOAD_PATH, "upload.create", "upload"),
    ("PATCH", f"{UPLOAD_PATH}/([^/]+)", "upload.update", "upload"),
    ("PUT", f"{UPLOAD_PATH}(?:/([^/]+))?", "upload.piece", "upload"),
)
_CHANGING = frozenset({"POST", "PATCH", "DELETE", "PUT"})


class DriveStandIn:
    """A strict stand-in for version 3 of Google Drive's API on loopback. Use it as a context manager.

    Args:
        host: A loopback address.
        port: 0 picks a free one.
        clock: `ManualClock` lets a test decide when tokens and channels expire.
        service_account_quota: Whether the service account may own files outside of shared drives. Real
            ones may not: they have no storage.

    Raises:
        ValueError: `host` is not loopback.
        OSError: The port is taken.
    """

    def __init__(
        self,
        *,
        host: str = LOOPBACK,
        port: int = 0,
        clock: Clock | None = None,
        service_account_quota: bool = False,
    ) -> None:
        self.faults = FaultPlan(FAULTS)
        self._owns_clock = clock is None
        self.clock = clock or SystemClock()
        self._server = HttpServer(host=host, port=port, name="drive")
        origin = self._server.origin
        self.accounts = Accounts(self.clock, self.token_url)
        self._holdings = Holdings(self.clock, lambda log: self._changes.announce(log))
        self.people = People(self._holdings)
        self._files = Files(self._holdings, self.faults, with_quota=service_account_quota)
        self._uploads = Uploads(self._holdings, self._files, self.faults, origin)
        self._pushes = Pushes()
        self._changes = Changes(self._holdings, self.faults, self._pushes, origin)
        self._control = Control(self)
        self._requests: list[Logged] = []

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Begin to serve."""
        self._pushes.start()
        self._server.start(self._answer)

    def stop(self) -> None:
        """Stop serving and return once every thread is gone."""
        self._pushes.stop()
        if self._owns_clock:
            self.clock.stop()
        self._server.stop()

    @property
    def base_url(self) -> str:
        """``http://127.0.0.1:PORT``, in place of ``https://www.googleapis.com``."""
        return self._server.origin

    @property
    def token_url(self) -> str:
        """In place of ``https://oauth2.googleapis.com/token``."""
        return f"{self._server.origin}/token"

    @property
    def requests(self) -> list[Logged]:
        """Every request to the API and to the token endpoint, oldest first."""
        with self._holdings.guard:
            return list(self._requests)

    def count(self, operation: str) -> int:
        """How often ``files.list``, ``token``, … was asked for."""
        return sum(1 for request in self.requests if request.operation == operation)

    @property
    def channels(self) -> list[Channel]:
        """The push channels that are open."""
        with self._holdings.guard:
            now = self.clock.now()
            return [channel for channel in self._changes.channels.values() if channel.expiration > now]

    @property
    def pushes(self) -> list[Push]:
        """The notifications that were sent, oldest first."""
        return self._pushes.sent

    def wait_for_pushes(self, condition: Callable[[list[Push]], bool], timeout: float = 30.0) -> list[Push]:
        """The notifications once `condition` holds of them.

        Raises:
            TimeoutError: It does not within `timeout` seconds of real time.
        """
        return self._pushes.wait_for(condition, timeout)

    def expire_page_tokens(self) -> None:
        """No token of the changes that was given out is good any more: 410."""
        with self._holdings.guard:
            for id, log in self._holdings.logs.items():
                log.add(id or self._holdings.root, self.clock.now())
                log.oldest = log.next

    def _answer(self, request: Request) -> Answer:
        if request.path.startswith("/_standin/"):
            return self._control.answer(request)
        with self._holdings.guard:
            operation, group, file_id = _route(request)
            answer = self._before(group) if group else None
            if answer is None:
                answer = self._perform(request, operation, file_id)
                answer = self._after(group, answer) if group else answer
            status = answer.status if isinstance(answer, Response) else 0
            body = request.body.decode("utf-8", "replace") if len(request.body) < 10_000 else None
            self._requests.append(
                Logged(request.method, request.path, dict(request.query), operation, status, body)
            )
            return answer

    def _perform(self, request: Request, operation: str, file_id: str) -> Answer:
        try:
            if operation == "token":
                return self.accounts.token(request)
            if operation == "upload.piece":
                return self._uploads.receive(request)
            grant = self.accounts.check(request)
            if not operation:
                return Response.text(404, "Not Found", "text/html; charset=UTF-8")
            if request.method in _CHANGING and operation != "changes.watch" and WRITES not in grant.scopes:
                raise DriveError(
                    403, "insufficientPermissions", "Request had insufficient authentication scopes."
                )
            return self._operate(request, operation, file_id, grant)
        except (DriveError, TokenError) as error:
            return error.response()

    def _operate(self, request: Request, operation: str, file_id: str, grant: Grant) -> Answer:
        match operation:
            case "about.get":
                return self._about(request, grant)
            case "changes.getStartPageToken":
                return self._changes.start_page_token(request)
            case "changes.list":
                return self._changes.list(request)
            case "changes.watch":
                return self._changes.watch(request)
            case "channels.stop":
                return self._changes.stop(request)
            case "drives.get":
                return self._drive(request, file_id)
            case "files.generateIds":
                return self._files.generate_ids(request)
            case "files.list":
                return self._files.list(request)
            case "files.create":
                return self._files.create(request, grant)
            case "files.export":
                given = Parameters(request.query, {"mimeType"})
                item = self._holdings.find(file_id, all_drives=True)
                return export(item, given.required("mimeType"))
            case "revisions.get":
                return self._files.revision(request, file_id, request.path.rpartition("/")[2])
            case "files.copy":
                return self._files.copy(request, file_id, grant)
            case "files.get":
                return self._files.get(request, file_id)
            case "files.update":
                return self._files.update(request, file_id)
            case "files.delete":
                return self._files.delete(request, file_id)
            case "upload.create":
                return self._uploads.begin(request, grant)
            case "upload.update":
                return self._uploads.begin(request, grant, file_id)
            case _:
                raise AssertionError(operation)

    def _about(self, request: Request, grant: Grant) -> Response:
        given = Parameters(request.query, ())
        if not given.text("fields"):
            raise DriveError(400, "required", "The 'fields' parameter is required for this method.")
        email = self.accounts.email if grant.who == "service_account" else self.accounts.person
        user = {
            "kind": "drive#user",
            "displayName": email.partition("@")[0],
            "emailAddress": email,
            "me": True,
        }
        return Response.of(200, {"user": user})

    def _drive(self, request: Request, drive_id: str) -> Response:
        Parameters(request.query, {"useDomainAdminAccess"})
        drive = self._holdings.drives.get(drive_id)
        if drive is None:
            raise not_found(drive_id)
        return Response.of(200, {"kind": "drive#drive", "id": drive.id, "name": drive.name})

    def _before(self, group: str) -> Answer | None:
        take = self.faults.take
        if fault := take(f"{group}.rate_limited"):
            reason = fault.value or "userRateLimitExceeded"
            return DriveError(403, reason, "Rate Limit Exceeded", domain="usageLimits").response()
        if fault := take(f"{group}.too_many"):
            headers = {"Retry-After": fault.value} if fault.value else {}
            message = "Too many requests"
            return DriveError(
                429, "rateLimitExceeded", message, domain="usageLimits", headers=headers
            ).response()
        if fault := take(f"{group}.forbidden"):
            reason = fault.value or "insufficientFilePermissions"
            return DriveError(403, reason, "The user does not have sufficient permissions.").response()
        if take(f"{group}.unauthorized"):
            return DriveError(401, "authError", "Invalid Credentials", location="Authorization").response()
        if fault := take(f"{group}.server_error"):
            return DriveError(int(fault.value or 503), "backendError", "Backend Error").response()
        if take(f"{group}.html_500"):
            return Response.text(500, _HTML, "text/html; charset=UTF-8")
        if take(f"{group}.reset_before"):
            return Reset()
        return Hang() if take(f"{group}.hang") else None

    def _after(self, group: str, answer: Answer) -> Answer:
        if fault := self.faults.take(f"{group}.server_error_after"):
            return DriveError(int(fault.value or 503), "backendError", "Backend Error").response()
        if self.faults.take(f"{group}.reset_after"):
            return Reset()
        if isinstance(answer, Response) and self.faults.take(f"{group}.unparsable_after"):
            return Response(answer.status, answer.body[: len(answer.body) // 2], answer.content_type)
        return answer

    def state(self) -> dict[str, object]:
        """What there is, for people and for tests in other processes."""
        with self._holdings.guard:
            hidden = {self._holdings.root, *self._holdings.drives}
            return {
                "files": [
                    {"id": item.id, "name": item.name, "mimeType": item.mime, "parent": item.parent}
                    | {"bytes": None if item.content is None else len(item.content), "trashed": item.trashed}
                    for item in self._holdings.items.values()
                    if item.id not in hidden
                ],
                "drives": [asdict(drive) for drive in self._holdings.drives.values()],
                "channels": [asdict(channel) for channel in self.channels],
                "requests": len(self._requests),
                "now": self.clock.now(),
            }


def _route(request: Request) -> tuple[str, str, str]:
    """Operation, group of faults, and the file that the path names."""
    if request.path == "/token":
        return ("token", "token", "") if request.method == "POST" else ("", "", "")
    for method, pattern, operation, group in _ROUTES:
        match = re.fullmatch(pattern, request.path)
        if match is not None and method == request.method:
            is_media = operation == "files.get" and request.query.get("alt") == "media"
            return operation, "content" if is_media else group, (match.groups() or ("",))[0] or ""
    return "", "", ""
