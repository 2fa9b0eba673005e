"""Deadlines, retention, streams: what happens as time goes by, on a clock that the test moves."""

import json

import httpx
import pytest
from testing_support import Served, client_of

from hookline.testing.clock import ManualClock
from hookline.testing.replicate import ReplicateStandIn

HOUR = 3600.0


class TestDeadline:
    @pytest.mark.parametrize(
        ("value", "seconds"),
        [("30", 30), ("30s", 30), ("5m", 300), ("2h", 7200), ("1h30m45s", 5445), ("24h", 86400)],
    )
    def test_it_is_echoed(self, timed: Served, value: str, seconds: int) -> None:
        body = timed.create("manual", {}, headers={"Cancel-After": value}).json()
        record = timed.server.predictions[body["id"]]
        assert record.deadline == record.created_at + seconds
        assert body["deadline"].startswith("2026-11-")

    def test_before_the_start_it_aborts(self, timed: Served) -> None:
        timed.server.faults.set("execution.stay_starting")
        made = timed.made("echo", {"text": "a"}, headers={"Cancel-After": "30s"})
        timed.server.clock.advance(29)
        assert timed.read(made)["status"] == "starting"
        timed.server.clock.advance(2)
        body = timed.read(made)
        assert body["status"] == "aborted"
        assert "started_at" not in body
        assert "predict_time" not in body["metrics"]  # type: ignore[operator]

    def test_after_the_start_it_cancels(self, timed: Served) -> None:
        made = timed.made("sleepy", {"seconds": 100}, headers={"Cancel-After": "30s"})
        timed.server.clock.advance(31)
        body = timed.read(made)
        assert body["status"] == "canceled"
        assert body["metrics"]["predict_time"] == pytest.approx(30)  # type: ignore[index]

    def test_after_the_end_it_does_nothing(self, timed: Served) -> None:
        made = timed.made("sleepy", {"seconds": 10}, headers={"Cancel-After": "30s"})
        timed.server.clock.advance(100)
        assert timed.read(made)["status"] == "succeeded"

    def test_a_booting_model_stays_starting(self) -> None:
        with ReplicateStandIn(clock=ManualClock(), boot_seconds=90) as server, client_of(server) as api:
            served = Served(server, api)
            made = served.made("echo", {"text": "a"})
            server.clock.advance(89)
            assert served.read(made)["status"] == "starting"
            server.clock.advance(2)
            assert served.read(made)["status"] == "succeeded"


class TestProgress:
    def test_logs_grow_with_the_clock(self, timed: Served) -> None:
        made = timed.made("sleepy", {"seconds": 10, "steps": 4})
        timed.server.clock.advance(5)
        body = timed.read(made)
        assert (body["status"], str(body["logs"]).count("\n")) == ("processing", 2)
        timed.server.clock.advance(5)
        body = timed.read(made)
        assert (body["status"], str(body["logs"]).count("\n")) == ("succeeded", 4)
        assert body["metrics"]["predict_time"] == pytest.approx(10)  # type: ignore[index]

    def test_a_canceled_one_goes_no_further(self, timed: Served) -> None:
        made = timed.made("sleepy", {"seconds": 10, "steps": 4})
        timed.server.clock.advance(5)
        timed.api.post(f"/predictions/{made}/cancel")
        timed.server.clock.advance(100)
        body = timed.read(made)
        assert (body["status"], str(body["logs"]).count("\n")) == ("canceled", 2)


class TestRetention:
    def test_after_an_hour_data_and_files_are_gone_and_the_record_stays(self, timed: Served) -> None:
        made = timed.made("picture", {"width": 4})
        timed.server.settle()
        (url,) = timed.read(made)["output"]  # type: ignore[misc]
        timed.server.clock.advance(HOUR - 1)
        assert timed.read(made)["data_removed"] is False
        assert httpx.get(url).content.startswith(b"\x89PNG")
        timed.server.clock.advance(2)
        body = timed.read(made)
        assert (body["data_removed"], body["output"], body["input"], body["logs"]) == (True, None, {}, "")
        assert (body["status"], body["id"]) == ("succeeded", made)
        assert httpx.get(url).status_code == 404
        assert [item["id"] for item in timed.api.get("/predictions").json()["results"]] == [made]

    def test_failed_ones_are_purged_too(self, timed: Served) -> None:
        made = timed.made("sleepy", {"seconds": 0, "error": "no"})
        timed.server.settle()
        timed.server.clock.advance(HOUR + 1)
        assert (timed.read(made)["data_removed"], timed.read(made)["error"]) == (True, "no")

    def test_running_ones_are_kept(self, timed: Served) -> None:
        made = timed.made("manual", {"note": "kept"})
        timed.server.settle()
        timed.server.clock.advance(5 * HOUR)
        assert timed.read(made)["input"] == {"note": "kept"}


class TestStream:
    def read_stream(self, served: Served, made: str) -> httpx.Response:
        urls = served.read(made)["urls"]
        return httpx.get(urls["stream"], headers={"Accept": "text/event-stream"}, timeout=30)  # type: ignore[index]

    def events(self, text: str) -> list[tuple[str, str]]:
        found = []
        for block in text.strip().split("\n\n"):
            fields = [line.partition(": ") for line in block.split("\n")]
            assert [name for name, _, _ in fields[:2]] == ["event", "id"]
            found.append((fields[0][2], "\n".join(value for name, _, value in fields[2:] if name == "data")))
        return found

    def test_outputs_then_done(self, timed: Served) -> None:
        made = timed.made("tokens", {"prompt": "a b\nc d"})
        answer = self.read_stream(timed, made)
        assert answer.headers["content-type"] == "text/event-stream"
        assert self.events(answer.text) == [
            ("output", "a "),
            ("output", "b\nc "),
            ("output", "d"),
            ("done", "{}"),
        ]
        assert answer.text.count("id: 1795000000:") == 4

    def test_a_failure_is_error_then_done(self, timed: Served) -> None:
        timed.server.faults.set("execution.fail", value="no")
        made = timed.made("tokens", {"prompt": "a b"})
        events = self.events(self.read_stream(timed, made).text)
        assert events == [("error", json.dumps({"detail": "no"})), ("done", json.dumps({"reason": "error"}))]

    def test_a_canceled_one_says_so(self, timed: Served) -> None:
        made = timed.made("tokens", {"prompt": "a b", "delay": 60})
        timed.server.settle()
        timed.api.post(f"/predictions/{made}/cancel")
        events = self.events(self.read_stream(timed, made).text)
        assert events == [("output", "a "), ("done", json.dumps({"reason": "canceled"}))]

    def test_after_the_purge_there_is_only_the_comment(self, timed: Served) -> None:
        made = timed.made("tokens", {"prompt": "a"})
        timed.server.clock.advance(HOUR + 1)
        assert self.read_stream(timed, made).text == ":408: 408 Request Timeout\n\n"

    def test_a_stream_of_files_carries_addresses_below_a_path_of_its_own(self, timed: Served) -> None:
        made = timed.made("picture", {"count": 2})
        timed.server.wait_for(made)
        stream = timed.api.get(f"/predictions/{made}").json()["urls"]["stream"]
        assert stream.startswith(f"{timed.server.streams_url}/v1/files/")
        outputs = [line for line in httpx.get(stream).text.splitlines() if timed.server.cdn_url in line]
        assert len(outputs) == 2
        assert httpx.get(f"{timed.server.streams_url}/v1/text/{made}").status_code == 404

    def test_models_without_streaming_have_no_stream(self, timed: Served) -> None:
        made = timed.made("echo", {"text": "a"})
        assert httpx.get(f"{timed.server.streams_url}/v1/text/{made}").status_code == 404
