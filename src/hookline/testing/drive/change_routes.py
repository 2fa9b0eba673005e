"""Changes, and the push channels that announce them.

Sources: https://developers.google.com/workspace/drive/api/guides/manage-changes and
https://developers.google.com/workspace/drive/api/guides/push
"""

from __future__ import annotations

import itertools
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from email.utils import formatdate
from queue import SimpleQueue
from typing import Any
from urllib.parse import urlsplit

from hookline.testing.clock import rfc3339
from hookline.testing.drive import selection
from hookline.testing.drive.errors import DriveError, bad_parameter
from hookline.testing.drive.file_routes import request_json
from hookline.testing.drive.holdings import Entry, Holdings
from hookline.testing.drive.parameters import Parameters
from hookline.testing.drive.records import Channel, Push
from hookline.testing.drive.resources import CHANGES, DEFAULT_FILE, file_resource
from hookline.testing.faults import FaultPlan
from hookline.testing.httpd import Request, Response
from hookline.testing.ports import is_loopback_host

__all__ = ["LONGEST_CHANNEL", "Changes", "Pushes"]

LONGEST_CHANNEL = 7 * 86400.0
_USUAL_CHANNEL = 3600.0
_LIST = frozenset(
    [
        "pageToken",
        "pageSize",
        "includeRemoved",
        "restrictToMyDrive",
        "includeItemsFromAllDrives",
        "supportsAllDrives",
        "driveId",
        "includeCorpusRemovals",
        "spaces",
        "includeLabels",
        "includePermissionsForView",
    ]
)
_WATCHED = frozenset({"id", "type", "address", "token", "expiration", "params", "payload", "kind"})


class Pushes:
    """Sends notifications, one after the other, from a thread of its own."""

    def __init__(self) -> None:
        self._queue: SimpleQueue[tuple[Channel, str, str] | None] = SimpleQueue()
        self._numbers: dict[str, itertools.count[int]] = {}
        self._sent: list[Push] = []
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="drive-push", daemon=True)
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def stop(self) -> None:
        """Send no more."""
        self._queue.put(None)
        if self._thread.is_alive():
            self._thread.join(10)

    def send(self, channel: Channel, state: str, resource: str) -> None:
        """Send a notification soon."""
        self._queue.put((channel, state, resource))

    @property
    def sent(self) -> list[Push]:
        """What was sent, oldest first."""
        with self._changed:
            return list(self._sent)

    def wait_for(self, condition: Callable[[list[Push]], bool], timeout: float) -> list[Push]:
        """What was sent, once `condition` holds of it. Raises `TimeoutError`."""
        with self._changed:
            if not self._changed.wait_for(lambda: condition(self._sent), timeout):
                raise TimeoutError("the notifications did not come")
            return list(self._sent)

    def _run(self) -> None:
        while (job := self._queue.get()) is not None:
            channel, state, resource = job
            number = next(self._numbers.setdefault(channel.id, itertools.count(1)))
            headers = {
                "X-Goog-Channel-ID": channel.id,
                "X-Goog-Channel-Expiration": formatdate(channel.expiration, usegmt=True),
                "X-Goog-Resource-ID": channel.resource_id,
                "X-Goog-Resource-URI": resource,
                "X-Goog-Resource-State": state,
                "X-Goog-Message-Number": str(number),
                "Content-Length": "0",
            }
            if channel.token:
                headers["X-Goog-Channel-Token"] = channel.token
            push = Push(channel.id, state, number, headers, self._post(channel.address, headers))
            with self._changed:
                self._sent.append(push)
                self._changed.notify_all()

    def _post(self, address: str, headers: dict[str, str]) -> int:
        request = urllib.request.Request(address, data=b"", headers=headers, method="POST")
        try:
            with self._opener.open(request, timeout=5) as answer:
                status: int = answer.status
                return status
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return 0


class Changes:
    """The resources ``changes`` and ``channels``."""

    def __init__(self, holdings: Holdings, faults: FaultPlan, pushes: Pushes, origin: str) -> None:
        self._holdings = holdings
        self._faults = faults
        self._pushes = pushes
        self._origin = origin
        self.channels: dict[str, Channel] = {}
        self._resources = itertools.count(1)

    def start_page_token(self, request: Request) -> Response:
        """changes.getStartPageToken."""
        given = Parameters(request.query, {"driveId", "supportsAllDrives"})
        log = self._log(given)
        return Response.of(
            200, {"kind": "drive#startPageToken", "startPageToken": str(self._holdings.logs[log].next)}
        )

    def list(self, request: Request) -> Response:
        """changes.list: the newest change of every file since the token; then either token, never both."""
        given = Parameters(request.query, _LIST)
        default = (
            "kind,nextPageToken,newStartPageToken,"
            f"changes(kind,type,changeType,time,removed,fileId,driveId,file({DEFAULT_FILE}))"
        )
        tree = selection.check(given.text("fields", default), CHANGES)
        name = self._log(given)
        if name and not given.flag("includeItemsFromAllDrives"):
            raise bad_parameter(
                "includeItemsFromAllDrives", "includeItemsFromAllDrives must be true when driveId is given."
            )
        log = self._holdings.logs[name]
        number = self._number(name, given.required("pageToken"))
        size = given.whole("pageSize", 100, 1, 1000)
        entries = log.since(number)
        page, rest = entries[:size], entries[size:]
        changes = [self._change(entry, name) for entry in page]
        if not given.flag("includeRemoved", default=True):
            changes = [change for change in changes if not change["removed"]]
        if self._faults.take("changes.duplicates"):
            changes = [change for change in changes for _ in range(2)]
        answer: dict[str, Any] = {"kind": "drive#changeList", "changes": changes}
        if rest:
            answer["nextPageToken"] = str(rest[0].number)
        else:
            answer["newStartPageToken"] = str(log.next)
        return Response.of(200, selection.select(answer, tree))

    def _log(self, given: Parameters) -> str:
        drive = given.text("driveId")
        if not drive:
            return ""
        if not given.all_drives:
            raise bad_parameter("supportsAllDrives", "supportsAllDrives must be true when driveId is given.")
        if drive not in self._holdings.drives:
            raise DriveError(404, "notFound", f"Shared drive not found: {drive}", location="driveId")
        return drive

    def _number(self, name: str, token: str) -> int:
        log = self._holdings.logs[name]
        fault = self._faults.take("changes.bad_token")
        if fault is not None:
            raise DriveError(int(fault.value or 400), "invalid", "Invalid Value", location="pageToken")
        if not token.isascii() or not token.isdigit() or not log.first <= int(token) <= log.next:
            raise bad_parameter("pageToken")
        if int(token) < log.oldest:
            raise DriveError(410, "gone", "The page token has expired.", location="pageToken")
        return int(token)

    def _change(self, entry: Entry, log: str) -> dict[str, Any]:
        item = self._holdings.items.get(entry.file_id)
        is_gone = item is None or item.drive != log or not self._holdings.may(item, "reader")
        change: dict[str, Any] = {
            "kind": "drive#change",
            "type": "file",
            "changeType": "file",
            "time": rfc3339(entry.at, 3),
            "removed": is_gone,
            "fileId": entry.file_id,
        }
        if log:
            change["driveId"] = log
        if item is not None and not is_gone:
            change["file"] = file_resource(self._holdings, item)
        return change

    def watch(self, request: Request) -> Response:
        """changes.watch: opens a channel, which is told ``sync`` first."""
        given = Parameters(request.query, _LIST)
        name = self._log(given)
        self._number(name, given.required("pageToken"))
        body = request_json(request)
        if not isinstance(body, dict) or set(body) - _WATCHED or not body.get("id"):
            raise DriveError(400, "required", "Required: id")
        if body.get("type") != "web_hook":
            raise DriveError(400, "invalid", "type must be web_hook")
        if str(body["id"]) in self.channels:
            raise DriveError(400, "channelIdNotUnique", f"Channel id {body['id']} not unique")
        token = str(body.get("token") or "")
        if len(token) > 256:
            raise DriveError(400, "invalid", "token is longer than 256 characters")
        address = urlsplit(str(body.get("address") or ""))
        # Google takes https only; here nothing but this machine can be reached.
        if address.scheme not in ("http", "https") or not is_loopback_host(address.hostname or ""):
            raise DriveError(400, "push.webhookUrlNotHttps", "WebHook callback must be HTTPS")
        channel = Channel(
            str(body["id"]),
            f"standin-resource-{next(self._resources)}",
            address.geturl(),
            token,
            self._expiration(body.get("expiration")),
            name,
        )
        self.channels[channel.id] = channel
        self._send(channel, "sync")
        return Response.of(
            200,
            {
                "kind": "api#channel",
                "id": channel.id,
                "resourceId": channel.resource_id,
                "resourceUri": self._resource(channel),
                **({"token": token} if token else {}),
                "expiration": str(int(channel.expiration * 1000)),
            },
        )

    def _expiration(self, given: Any) -> float:
        now = self._holdings.clock.now()
        if given is None:
            return now + _USUAL_CHANNEL
        if not str(given).isdigit() or int(given) / 1000 <= now:
            raise DriveError(400, "invalid", "expiration must be milliseconds since the epoch, in the future")
        return min(int(given) / 1000, now + LONGEST_CHANNEL)

    def stop(self, request: Request) -> Response:
        """channels.stop."""
        Parameters(request.query, ())
        body = request_json(request)
        channel = self.channels.get(str(body.get("id")))
        if channel is None or channel.resource_id != body.get("resourceId"):
            raise DriveError(404, "notFound", f"Channel '{body.get('id')}' not found for project.")
        del self.channels[channel.id]
        return Response(204)

    def announce(self, log: str) -> None:
        """Tell the channels of a log that something was changed."""
        now = self._holdings.clock.now()
        for channel in list(self.channels.values()):
            if channel.expiration <= now:
                del self.channels[channel.id]
            elif channel.log == log and not self._faults.take("push.lost"):
                self._send(channel, "change")

    def _send(self, channel: Channel, state: str) -> None:
        self._pushes.send(channel, state, self._resource(channel))

    def _resource(self, channel: Channel) -> str:
        drive = f"&driveId={channel.log}" if channel.log else ""
        return f"{self._origin}/drive/v3/changes?alt=json{drive}"
