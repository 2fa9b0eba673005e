"""Everything that goes wrong on the way of a request, and what was done all the same."""

import socket
import threading
import time
from urllib.parse import urlsplit

import httpx
import pytest
from testing_support import Receiver, Served

from hookline.testing.faults import FaultPlan, UnknownFaultError
from hookline.testing.replicate import FAULTS

SHORT = httpx.Timeout(10, read=0.3)


class TestNothingIsDone:
    @pytest.mark.parametrize(
        ("fault", "status"), [("insufficient_credit", 402), ("server_error", 500), ("unavailable_html", 503)]
    )
    def test_refusals(self, served: Served, fault: str, status: int) -> None:
        served.server.faults.set(f"create.{fault}")
        answer = served.create("echo", {"text": "a"})
        assert answer.status_code == status
        assert served.server.creates == []
        assert served.create("echo", {"text": "a"}).status_code == 201
        kind = "text/html" if status == 503 else "application/problem+json"
        assert answer.headers["content-type"].startswith(kind)

    @pytest.mark.parametrize(
        ("value", "header", "body", "text"),
        [
            (None, "7", 7, True),
            ("30", "30", 30, True),
            ("9,header", "9", None, False),
            ("9,body", None, 9, True),
            ("9,text", None, None, True),
            ("9,none", None, None, False),
        ],
    )
    def test_429_tells_the_wait_where_it_is_told_to(
        self, served: Served, value: str | None, header: str | None, body: int | None, text: bool
    ) -> None:
        served.server.faults.set("create.throttled", value=value)
        answer = served.create("echo", {"text": "a"})
        assert answer.status_code == 429
        assert answer.headers.get("retry-after") == header
        assert answer.json().get("retry_after") == body
        assert ("resets in" in answer.json()["detail"]) is text
        assert served.server.creates == []

    def test_a_reset_before(self, served: Served) -> None:
        served.server.faults.set("create.reset_before")
        with pytest.raises(httpx.ReadError, match="reset"):
            served.create("echo", {"text": "a"})
        assert served.server.creates == []

    def test_silence_before(self, served: Served) -> None:
        served.server.faults.set("create.hang_before")
        served.api.timeout = SHORT
        with pytest.raises(httpx.ReadTimeout):
            served.create("echo", {"text": "a"})
        assert served.server.creates == []


class TestItIsDoneAllTheSame:
    @pytest.mark.parametrize("fault", ["reset_after", "hang_after", "slow_after"])
    def test_the_answer_never_comes(self, served: Served, fault: str) -> None:
        served.server.faults.set(f"create.{fault}", value="60")
        served.api.timeout = SHORT
        with pytest.raises(httpx.TransportError):
            served.create("echo", {"text": "a"})
        (creation,) = served.server.creates
        assert creation.fault == f"create.{fault}"
        assert served.server.wait_for(creation.prediction_id).output == "a"

    @pytest.mark.parametrize(
        ("fault", "status"),
        [("server_error_after", 500), ("unavailable_html_after", 503), ("unparsable_after", 201)],
    )
    def test_the_answer_is_useless(self, served: Served, fault: str, status: int) -> None:
        served.server.faults.set(f"create.{fault}")
        answer = served.create("echo", {"text": "a"})
        assert answer.status_code == status
        if status == 201:
            with pytest.raises(ValueError):
                answer.json()
        (creation,) = served.server.creates
        assert creation.fault == f"create.{fault}"

    def test_double_submissions_are_counted(self, served: Served) -> None:
        served.server.faults.set("create.reset_after", times=2)
        for _ in range(2):
            with pytest.raises(httpx.TransportError):
                served.create("echo", {"text": "a"})
        served.create("echo", {"text": "a"})
        assert [item.fault for item in served.server.creates] == [
            "create.reset_after",
            "create.reset_after",
            None,
        ]
        assert len({item.prediction_id for item in served.server.creates}) == 3

    def test_a_refused_request_does_not_use_the_fault_up(self, served: Served) -> None:
        served.server.faults.set("create.reset_after")
        assert served.create("echo", {}).status_code == 422
        with pytest.raises(httpx.TransportError):
            served.create("echo", {"text": "a"})

    @pytest.mark.parametrize("group", ["get", "list", "cancel", "models", "files", "account", "secret"])
    def test_other_routes_fail_too(self, served: Served, group: str) -> None:
        made = served.made("manual", {})
        method, path = {
            "get": ("GET", f"/predictions/{made}"),
            "list": ("GET", "/predictions"),
            "cancel": ("POST", f"/predictions/{made}/cancel"),
            "models": ("GET", "/models"),
            "files": ("GET", "/files"),
            "account": ("GET", "/account"),
            "secret": ("GET", "/webhooks/default/secret"),
        }[group]
        served.server.faults.set(f"{group}.server_error")
        assert served.api.request(method, path).status_code == 500
        assert served.api.request(method, path).status_code == 200


class TestSynchronousAnswers:
    def test_it_waits_for_the_end(self, served: Served) -> None:
        answer = served.create("echo", {"text": "a"}, headers={"Prefer": "wait=5"})
        assert (answer.status_code, answer.headers["preference-applied"]) == (201, "wait=5")
        assert (answer.json()["status"], answer.json()["output"]) == ("succeeded", "a")

    def test_bare_wait(self, served: Served) -> None:
        answer = served.create("echo", {"text": "a"}, headers={"Prefer": "wait"})
        assert answer.headers["preference-applied"] == "wait"

    def test_a_finished_one_may_say_processing(self, served: Served) -> None:
        served.server.faults.set("sync.processing_with_output")
        answer = served.create("echo", {"text": "a"}, headers={"Prefer": "wait"}).json()
        assert (answer["status"], answer["output"]) == ("processing", "a")
        assert "completed_at" not in answer
        assert "metrics" not in answer
        assert served.read(answer["id"])["status"] == "succeeded"

    def test_it_may_run_out_of_time(self, served: Served) -> None:
        served.server.faults.set("sync.timeout")
        answer = served.create("manual", {}, headers={"Prefer": "wait"})
        assert (answer.status_code, answer.json()["status"]) == (202, "starting")

    def test_the_time_is_the_stand_in_s_clock(self, timed: Served) -> None:
        answers: list[httpx.Response] = []
        caller = threading.Thread(
            target=lambda: answers.append(timed.create("manual", {}, headers={"Prefer": "wait=60"}))
        )
        caller.start()
        deadline = time.monotonic() + 30
        while caller.is_alive() and time.monotonic() < deadline:
            timed.server.clock.advance(10)
            caller.join(0.05)
        (answer,) = answers
        assert (answer.status_code, answer.json()["status"]) == (202, "processing")

    def test_files_may_be_inline(self, served: Served) -> None:
        served.server.faults.set("sync.data_uri")
        answer = served.create("picture", {}, headers={"Prefer": "wait"}).json()
        assert answer["output"][0].startswith("data:image/png;base64,")
        assert str(served.read(answer["id"])["output"][0]).startswith(served.server.cdn_url)  # type: ignore[index]


class TestExecution:
    def test_starting_until_released(self, served: Served) -> None:
        served.server.faults.set("execution.stay_starting")
        made = served.made("echo", {"text": "a"})
        served.server.settle()
        assert served.read(made)["status"] == "starting"
        assert served.server.release(made)
        assert served.server.wait_for(made).output == "a"
        assert not served.server.release(made)

    def test_a_platform_failure(self, served: Served) -> None:
        served.server.faults.set(
            "execution.fail", value="Director: unexpected error handling prediction (E9828)"
        )
        made = served.made("echo", {"text": "a"})
        ended = served.server.wait_for(made)
        assert (ended.status, ended.error) == (
            "failed",
            "Director: unexpected error handling prediction (E9828)",
        )

    def test_an_unknown_status_before_the_end(self, served: Served) -> None:
        served.server.faults.set("execution.unknown_status", times=None)
        made = served.made("manual", {})
        assert served.read(made)["status"] == "queued"
        served.server.complete(made, "done")
        assert served.read(made)["status"] == "succeeded"

    def test_a_manual_prediction_ends_as_told(self, served: Served) -> None:
        good, bad = served.made("manual", {}), served.made("manual", {})
        served.server.complete(good, ["x"])
        served.server.fail(bad, "NSFW content detected")
        assert (served.read(good)["status"], served.read(good)["output"]) == ("succeeded", ["x"])
        assert (served.read(bad)["status"], served.read(bad)["error"]) == ("failed", "NSFW content detected")


class TestControl:
    def test_faults_over_http(self, served: Served) -> None:
        url = f"{served.server.base_url}/_standin/faults"
        answer = httpx.post(url, json={"name": "create.throttled", "times": 1, "value": 3})
        assert answer.json() == {"faults": [{"name": "create.throttled", "times": 1, "value": "3"}]}
        assert served.create("echo", {"text": "a"}).headers["retry-after"] == "3"
        assert served.create("echo", {"text": "a"}).status_code == 201

    def test_an_unknown_name_is_refused_with_near_ones(self, served: Served) -> None:
        url = f"{served.server.base_url}/_standin/faults"
        answer = httpx.post(url, json={"name": "create.reset"})
        assert answer.status_code == 400
        assert "create.reset_after" in answer.json()["detail"]

    def test_faults_can_be_cleared(self, served: Served) -> None:
        served.server.faults.set("create.server_error", times=None)
        httpx.delete(f"{served.server.base_url}/_standin/faults")
        assert served.create("echo", {"text": "a"}).status_code == 201

    def test_the_state_shows_lost_creations_and_deliveries(self, served: Served, receiver: Receiver) -> None:
        served.server.faults.set("create.reset_after")
        with pytest.raises(httpx.TransportError):
            served.create("echo", {"text": "a"}, webhook=receiver.url, webhook_events_filter=["completed"])
        receiver.wait_for(lambda requests: len(requests) == 1)
        served.server.settle()
        state = httpx.get(f"{served.server.base_url}/_standin/state").json()
        assert [item["fault"] for item in state["creates"]] == ["create.reset_after"]
        assert [item["status"] for item in state["predictions"]] == ["succeeded"]
        assert [item["event"] for item in state["deliveries"]] == ["completed"]
        assert set(state["known_faults"]) == set(FAULTS)

    def test_predictions_are_ended_over_http(self, served: Served) -> None:
        made = served.made("manual", {})
        url = f"{served.server.base_url}/_standin/predictions/{made}"
        assert httpx.post(url, json={"status": "succeeded", "files": 2}).json() == {"ended": True}
        assert len(served.read(made)["output"]) == 2  # type: ignore[arg-type]
        assert httpx.post(url, json={"status": "failed"}).json() == {"ended": False}

    def test_the_clock_moves_over_http(self, timed: Served) -> None:
        made = timed.made("sleepy", {"seconds": 100})
        timed.server.settle()
        httpx.post(f"{timed.server.base_url}/_standin/clock", json={"advance": 101})
        assert timed.read(made)["status"] == "succeeded"


class TestFaultPlan:
    def test_times_count_down(self) -> None:
        plan = FaultPlan({"a": "", "b": ""})
        plan.set("a", times=2)
        assert [plan.take("a") is not None for _ in range(3)] == [True, True, False]
        plan.set("b", times=None)
        assert all(plan.take("b") for _ in range(10))
        plan.clear("b")
        assert plan.take("b") is None
        assert (plan.happened("a"), plan.happened("b")) == (2, 10)

    @pytest.mark.parametrize(
        ("flag", "times", "value"),
        [("a", None, None), ("a=5", None, "5"), ("a*3", 3, None), ("a*3=x=y", 3, "x=y"), ("a=", None, "")],
    )
    def test_flags(self, flag: str, times: int | None, value: str | None) -> None:
        plan = FaultPlan({"a": ""})
        plan.set_from_flag(flag)
        (fault,) = plan.active()
        assert (fault.times, fault.value) == (times, value)

    def test_unknown_names(self) -> None:
        with pytest.raises(UnknownFaultError, match="did you mean"):
            FaultPlan({"create.reset_after": ""}).set("create.reset")


def test_the_server_stops_although_connections_hang(served: Served) -> None:
    served.server.faults.set("get.hang_before")
    parts = urlsplit(served.server.base_url)
    with socket.create_connection((parts.hostname, parts.port), timeout=10) as connection:
        head = f"GET /v1/predictions/x HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {served.server.token}"
        connection.sendall(f"{head}\r\n\r\n".encode())
        deadline = time.monotonic() + 10
        while not served.server.faults.happened("get.hang_before"):
            assert time.monotonic() < deadline
        served.server.stop()
        assert connection.recv(1) == b""
