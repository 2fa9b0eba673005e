"""An engine with a server, a Slack-shaped inbox and a mail server on loopback."""

from __future__ import annotations

import itertools
import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from flask.testing import FlaskClient

from hookline.core.plan import compile_plan
from hookline.engine.engine import Engine
from hookline.engine.loader import load_registry
from hookline.engine.settings import load_settings
from hookline.server.access import Access
from hookline.server.app import create_app
from hookline.store.port import Approval
from hookline.store.sqlite import SQLiteStore
from hookline.testing.slack import Message, SlackStandIn

from ..email.smtp_server import MailServer

Json = Any
BASE = "https://hooks.example.com"
TOKEN = "admin-token-of-the-tests"
BOUND = 20.0
"""Seconds after which a test that waits for something is given up."""

PEOPLE = """
[connections.mail]
type = "email"
host = "127.0.0.1"
port = {port}
security = "none"
sender = "Hookline <hookline@example.com>"

[people.ada]
name = "Ada Lovelace"
roles = ["editor"]
email = "ada@example.com"
slack = "{ada}"

[people.grace]
name = "Grace Hopper"
roles = ["editor"]
email = "grace@example.com"
slack = "{grace}"
"""


@dataclass
class Place:
    """All of it together."""

    engine: Engine
    slack: SlackStandIn
    mail: MailServer
    client: FlaskClient

    def go(self, *, event: Json = None, **approve: Json) -> str:
        """Start a run that asks; keys of the step are told from those of `approve`."""
        options = {name: approve.pop(name) for name in ("on_reject", "timeout") if name in approve}
        asked = {"who": ["role:editor"], "message": "Publish <it>?", **approve}
        step = {"id": "ok", "approve": asked, "timeout": "7d", "on_timeout": "reject", **options}
        plan = compile_plan({"name": "post", "steps": [step], "output": "{{ steps.ok }}"})
        self.engine.deploy(plan)
        run = self.engine.start_run("post", event).run_id
        assert run is not None
        self.until(lambda: self.status(run) == "waiting")
        return run

    def until(self, is_so: Callable[[], Any]) -> Any:
        """Wait until something is true."""
        begin = time.monotonic()
        for _ in itertools.takewhile(lambda _: time.monotonic() < begin + BOUND, itertools.count()):
            found = is_so()
            if found:
                return found
            time.sleep(0.005)
        raise AssertionError("waited in vain")

    def status(self, run: str) -> str:
        row = self.engine.store.run(run)
        assert row is not None
        return row.status

    def end(self, run: str) -> Json:
        """The run's output, once it has ended."""
        self.until(lambda: self.status(run) in ("succeeded", "failed", "canceled"))
        row = self.engine.store.run(run)
        assert row is not None
        return row.output

    def approval(self, run: str) -> Approval:
        rows = self.engine.store.approvals(None, 50, None).rows
        found: Approval = next(row for row in rows if row.run_id == run)
        return found

    def link(self, person: str) -> str:
        """Path of the newest link that somebody was mailed."""
        mine = [each for each in self.mail.taken if each.recipients == [f"{person}@example.com"]]
        (link,) = re.findall(rf"{re.escape(BASE)}(/decide/\S+)", mine[-1].message.get_content())
        return str(link)

    def form(self, path: str, **values: str) -> Any:
        """Fill in the page's form and send it, as a browser does."""
        page = self.client.get(path).text
        hidden = dict(re.findall(r'type="hidden" name="([^"]+)" value="([^"]*)"', page))
        return self.client.post(path, data={**hidden, **values})

    def click(self, message: Message, button: str, user: str, path: str = "/answers/slack") -> Any:
        """Somebody presses a button in Slack."""
        return self.slack.click(f"{BASE}{path}", message, f"hookline.{button}", user=user)

    def posted(self, count: int = 1) -> list[Message]:
        return self.slack.wait_for_messages(count)

    def _post(self, url: str, headers: Mapping[str, str], body: bytes) -> Any:
        answer = self.client.post(urlsplit(url).path, data=body, headers=dict(headers))
        return answer.status_code, answer.data, {name.lower(): value for name, value in answer.headers}


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return load_registry(tmp_path_factory.mktemp("empty"))


@pytest.fixture
def place(tmp_path: Path, registry: Any) -> Iterator[Place]:
    with SlackStandIn(groups={"desk": ["grace", "linus"]}) as slack, MailServer() as mail:
        ids = {name: slack.user_id(name) for name in ("ada", "grace")}
        (tmp_path / "hookline.toml").write_text(PEOPLE.format(port=mail.port, **ids))
        environment = {
            "SLACK_BOT_TOKEN": slack.token,
            "SLACK_BASE_URL": slack.api_url,
            "SLACK_SIGNING_SECRET": slack.signing_secret,
            "HOOKLINE_BASE_URL": BASE,
        }
        store = SQLiteStore(tmp_path / "hookline.db", "worker-1")
        engine = Engine(load_settings(tmp_path, environment), registry, store)
        engine.start()
        client = create_app(engine, Access(TOKEN)).test_client()
        made = Place(engine, slack, mail, client)
        slack.outgoing.post = made._post
        yield made
        engine.stop(grace=0)


def dumped(place: Place) -> str:
    """Everything the API says of approvals, and the histories of their runs."""
    rows = place.engine.store.approvals(None, 50, None).rows
    headers = {"Authorization": f"Bearer {TOKEN}"}
    paths = [f"/api/v1/approvals/{row.id}" for row in rows]
    paths += [f"/api/v1/runs/{row.run_id}/history" for row in rows] + ["/api/v1/approvals"]
    return json.dumps([place.client.get(path, headers=headers).get_json() for path in paths])
