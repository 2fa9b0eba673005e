"""A receiver of webhooks, and stand-ins with a client that holds their token."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import httpx

from hookline.testing.httpd import Answer, HttpServer, Request, Response
from hookline.testing.replicate import ReplicateStandIn


@dataclass
class Receiver:
    """Takes webhooks on loopback; `answers` are given in turn, then 200."""

    http: HttpServer
    answers: list[Answer] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    changed: threading.Condition = field(default_factory=threading.Condition)

    @property
    def url(self) -> str:
        return f"{self.http.origin}/callbacks/token?attempt=1"

    @property
    def statuses(self) -> list[str]:
        return [request.json()["status"] for request in self.requests]

    @property
    def ids(self) -> list[str | None]:
        return [request.header("webhook-id") for request in self.requests]

    def take(self, request: Request) -> Answer:
        with self.changed:
            self.requests.append(request)
            self.changed.notify_all()
            return self.answers.pop(0) if self.answers else Response.of(200, {})

    def wait_for(self, condition: Callable[[Sequence[Request]], bool]) -> list[Request]:
        with self.changed:
            assert self.changed.wait_for(lambda: condition(self.requests), 30), self.statuses
            return list(self.requests)


@dataclass
class Served:
    """A stand-in and a client with its token."""

    server: ReplicateStandIn
    api: httpx.Client

    def create(self, name: str, values: dict[str, object], /, **more: object) -> httpx.Response:
        headers = {str(key): str(value) for key, value in more.pop("headers", {}).items()}  # type: ignore[attr-defined]
        body = {"version": self.server.version_of(f"hookline/{name}"), "input": values, **more}
        return self.api.post("/predictions", json=body, headers=headers)

    def made(self, name: str, values: dict[str, object], /, **more: object) -> str:
        answer = self.create(name, values, **more)
        assert answer.status_code == 201, answer.text
        prediction_id: str = answer.json()["id"]
        return prediction_id

    def read(self, prediction_id: str) -> dict[str, object]:
        body: dict[str, object] = self.api.get(f"/predictions/{prediction_id}").json()
        return body


def client_of(server: ReplicateStandIn) -> httpx.Client:
    headers = {"Authorization": f"Bearer {server.token}"}
    return httpx.Client(base_url=f"{server.base_url}/v1", headers=headers, timeout=30, verify=False)
