"""The stand-in before a scripted Cog server that loses completions, on a clock the test moves."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import httpx
import pytest
from testing_support import Served, client_of

from hookline.testing.clock import ManualClock
from hookline.testing.httpd import Answer, HttpServer, Request, Response
from hookline.testing.replicate import ReplicateStandIn, openapi_schema


@dataclass
class ScriptedCog:
    """Accepts predictions and never finishes them by itself."""

    http: HttpServer
    health: str = "BUSY"
    puts: list[Request] = field(default_factory=list)
    put_answers: list[Answer] = field(default_factory=list)

    def answer(self, request: Request) -> Answer:
        if request.path == "/openapi.json":
            text = {"type": "string", "description": "Text"}
            return Response.of(200, openapi_schema({"text": text}, ["text"], {"type": "string"}))
        if request.path == "/health-check":
            return Response.of(200, {"status": self.health})
        if request.method == "PUT":
            self.puts.append(request)
            return self.put_answers.pop(0) if self.put_answers else Response.of(202, {"status": "starting"})
        return Response.of(404, {})

    def send(self, number: int, **body: object) -> int:
        """Send the webhook of the `number`-th PUT."""
        order = self.puts[number].json()
        return httpx.post(order["webhook"], json={"id": order["id"], **body}).status_code


@pytest.fixture
def cog() -> Iterator[ScriptedCog]:
    http = HttpServer()
    scripted = ScriptedCog(http)
    http.start(scripted.answer)
    yield scripted
    http.stop()


@pytest.fixture
def served(cog: ScriptedCog) -> Iterator[Served]:
    stand_in = ReplicateStandIn(cog.http.origin, cog_models=["hookline/text"], clock=ManualClock())
    with stand_in as server, client_of(server) as api:
        yield Served(server, api)
        assert server.failures == []


def begin(served: Served) -> str:
    made = served.made("text", {"text": "a"})
    served.server.settle()
    return made


def test_a_completion_ends_it_once(served: Served, cog: ScriptedCog) -> None:
    made = begin(served)
    assert cog.puts[0].header("Prefer") == "respond-async"
    assert cog.send(0, status="succeeded", output="A", logs="l", metrics={"predict_time": 2.5}) == 200
    assert cog.send(0, status="failed", error="late") == 404
    body = served.read(made)
    assert (body["status"], body["output"], body["logs"]) == ("succeeded", "A", "l")
    assert body["metrics"]["predict_time"] == 2.5  # type: ignore[index]


def test_an_unsigned_webhook_needs_the_secret_path(served: Served, cog: ScriptedCog) -> None:
    made = begin(served)
    forged = f"{served.server.base_url}/_standin/cog/{made}/guess"
    assert httpx.post(forged, json={"status": "succeeded", "output": "forged"}).status_code == 404
    assert served.read(made)["status"] == "processing"


def test_while_the_server_is_busy_it_waits(served: Served, cog: ScriptedCog) -> None:
    made = begin(served)
    served.server.clock.advance(600)
    assert served.read(made)["status"] == "processing"
    assert len(cog.puts) == 1


def test_a_lost_completion_is_asked_for_once_more(served: Served, cog: ScriptedCog) -> None:
    made = begin(served)
    cog.health = "READY"
    cog.put_answers = [Response.of(200, {"status": "succeeded", "output": "A", "logs": "", "metrics": {}})]
    served.server.clock.advance(10)
    assert len(cog.puts) == 2
    assert served.read(made)["output"] == "A"


def test_lost_twice_is_an_interruption(served: Served, cog: ScriptedCog) -> None:
    made = begin(served)
    cog.health = "READY"
    served.server.clock.advance(60)
    assert len(cog.puts) == 2
    assert served.read(made)["error"] == "Prediction interrupted; please retry (code: PA)"


@pytest.mark.parametrize("health", ["UNHEALTHY", "DEFUNCT", "SETUP_FAILED"])
def test_a_broken_server_is_an_interruption(served: Served, cog: ScriptedCog, health: str) -> None:
    made = begin(served)
    cog.health = health
    served.server.clock.advance(10)
    assert served.read(made)["status"] == "failed"


def test_a_full_server_is_tried_again(served: Served, cog: ScriptedCog) -> None:
    cog.put_answers = [Response.of(409, {"error": "At capacity"}) for _ in range(3)]
    made = begin(served)
    assert served.read(made)["status"] == "starting"
    served.server.clock.advance(1)
    assert (served.read(made)["status"], len(cog.puts)) == ("processing", 4)


def test_a_refusal_is_the_prediction_s_error(served: Served, cog: ScriptedCog) -> None:
    detail = [{"loc": ["body", "input", "text"], "msg": "too long", "type": "value_error"}]
    cog.put_answers = [Response.of(422, {"detail": detail})]
    assert served.read(begin(served))["error"] == "input.text: too long"


def test_late_and_shorter_logs_are_ignored(served: Served, cog: ScriptedCog) -> None:
    made = begin(served)
    cog.send(0, status="processing", logs="one\ntwo\n")
    cog.send(0, status="processing", logs="one\n")
    assert served.read(made)["logs"] == "one\ntwo\n"


def test_only_one_at_a_time(served: Served, cog: ScriptedCog) -> None:
    first, second = begin(served), begin(served)
    assert len(cog.puts) == 1
    cog.send(0, status="succeeded", output="A")
    served.server.settle()
    assert [request.json()["id"] for request in cog.puts] == [first, second]


def test_a_long_queue_before_a_dead_server_ends(served: Served, cog: ScriptedCog) -> None:
    made = [served.made("text", {"text": str(number)}) for number in range(300)]
    served.server.settle()
    cog.put_answers = [Response.text(500, "dead") for _ in range(300)]
    cog.send(0, status="failed", error="dead")
    assert [served.server.wait_for(item).error for item in made] == ["dead"] * 300
