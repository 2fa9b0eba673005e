"""Webhooks: who gets what, signed how, and how often."""

import itertools

import pytest
from standardwebhooks import Webhook, WebhookVerificationError
from testing_support import Receiver, Served, client_of

from hookline.testing.clock import ManualClock
from hookline.testing.httpd import Hang, HttpServer, Request, Reset, Response
from hookline.testing.replicate import ReplicateStandIn


def verified(served: Served, request: Request) -> bool:
    """What the reference implementation says, which also checks the timestamp."""
    headers = {name.lower(): value for name, value in request.headers.items()}
    try:
        Webhook(served.server.webhook_secret).verify(request.body, headers)
    except WebhookVerificationError:
        return False
    return True


class TestContent:
    def test_signed_as_the_reference_implementation_demands(self, served: Served, receiver: Receiver) -> None:
        served.made("echo", {"text": "ü"}, webhook=receiver.url, webhook_events_filter=["start", "completed"])
        requests = receiver.wait_for(lambda found: len(found) == 2)
        assert all(verified(served, request) for request in requests)
        assert len(set(receiver.ids)) == 2

    def test_the_body_is_that_of_get(self, served: Served, receiver: Receiver) -> None:
        made = served.made("echo", {"text": "a"}, webhook=receiver.url, webhook_events_filter=["completed"])
        (request,) = receiver.wait_for(lambda found: len(found) == 1)
        got, sent = served.read(made), request.json()
        assert set(got) == set(sent)
        for name in ("id", "status", "output", "input", "logs", "urls", "webhook", "metrics", "error"):
            assert got[name] == sent[name]

    def test_the_query_of_the_address_is_kept(self, served: Served, receiver: Receiver) -> None:
        served.made("echo", {"text": "a"}, webhook=receiver.url, webhook_events_filter=["completed"])
        (request,) = receiver.wait_for(lambda found: len(found) == 1)
        assert (request.path, request.query) == ("/callbacks/token", {"attempt": "1"})

    @pytest.mark.parametrize(
        ("events", "expected"),
        [
            (["start"], ["starting"]),
            (["completed"], ["succeeded"]),
            (["start", "completed"], ["starting", "succeeded"]),
            (["logs"], ["processing"]),
            ([], ["succeeded", "succeeded"]),
        ],
    )
    def test_the_filter_decides(
        self, timed: Served, receiver: Receiver, events: list[str], expected: list[str]
    ) -> None:
        more = {"webhook_events_filter": events} if events else {}
        timed.made("echo", {"text": "a"}, webhook=receiver.url, **more)
        timed.server.settle()
        assert receiver.statuses == expected

    def test_outputs_and_logs_are_throttled_to_one_in_500_ms(self, timed: Served, receiver: Receiver) -> None:
        words = " ".join(str(number) for number in range(21))
        timed.made(
            "tokens",
            {"prompt": words, "delay": 0.1},
            webhook=receiver.url,
            webhook_events_filter=["output", "completed"],
        )
        timed.server.clock.advance(10)
        sizes = [len(request.json()["output"]) for request in receiver.requests]
        # Twenty pauses of 0.1 s: one at once, one each 0.5 s, and the end.
        assert sizes[0] == 1
        assert sizes[-1] == 21
        assert sizes == sorted(sizes)
        assert 5 <= len(sizes) <= 6


class TestRetries:
    @pytest.mark.parametrize(
        "first", [Response.text(500, ""), Response.text(404, ""), Response.text(302, ""), Reset()]
    )
    def test_the_end_is_repeated_with_the_same_id_and_a_fresh_timestamp(
        self, timed: Served, receiver: Receiver, first: Response | Reset
    ) -> None:
        receiver.answers = [first]
        timed.made("echo", {"text": "a"}, webhook=receiver.url, webhook_events_filter=["completed"])
        timed.server.settle()
        timed.server.clock.advance(120)
        one, two = receiver.requests
        assert one.header("webhook-id") == two.header("webhook-id")
        assert one.body == two.body
        assert int(two.header("webhook-timestamp") or 0) > int(one.header("webhook-timestamp") or 0)
        assert one.header("webhook-signature") != two.header("webhook-signature")

    def test_it_gives_up_about_a_minute_after_the_end(self, timed: Served, receiver: Receiver) -> None:
        receiver.answers = [Response.text(503, "") for _ in range(100)]
        timed.made("echo", {"text": "a"}, webhook=receiver.url, webhook_events_filter=["completed"])
        timed.server.clock.advance(3000)
        times = [int(request.header("webhook-timestamp") or 0) for request in receiver.requests]
        assert len(times) == 7
        assert times[-1] - times[0] == 60
        gaps = [after - before for before, after in itertools.pairwise(times)]
        assert gaps == sorted(gaps)

    def test_only_the_end_is_repeated(self, timed: Served, receiver: Receiver) -> None:
        receiver.answers = [Response.text(500, "") for _ in range(100)]
        timed.made("manual", {}, webhook=receiver.url, webhook_events_filter=["start", "logs", "output"])
        timed.server.clock.advance(3000)
        assert receiver.statuses == ["starting", "processing"]

    def test_a_redirect_is_not_followed(self, timed: Served, receiver: Receiver) -> None:
        other = HttpServer(name="other")
        seen: list[Request] = []
        other.start(lambda request: (seen.append(request), Response.of(200, {}))[1])
        receiver.answers = [Response(307, headers={"Location": other.origin}) for _ in range(10)]
        timed.made("echo", {"text": "a"}, webhook=receiver.url, webhook_events_filter=["completed"])
        timed.server.clock.advance(100)
        other.stop()
        assert seen == []
        assert not any(delivery.accepted for delivery in timed.server.deliveries)

    def test_a_receiver_that_is_down_is_tried_again(self, timed: Served) -> None:
        timed.made("echo", {"text": "a"}, webhook="http://127.0.0.1:9/", webhook_events_filter=["completed"])
        timed.server.clock.advance(100)
        attempts = timed.server.deliveries
        assert [item.attempt for item in attempts] == [1, 2, 3, 4, 5, 6, 7]
        assert {item.status for item in attempts} == {None}

    def test_another_machine_is_never_contacted(self, timed: Served) -> None:
        timed.made(
            "echo", {"text": "a"}, webhook="https://192.0.2.1/hook", webhook_events_filter=["completed"]
        )
        timed.server.settle()
        (delivery,) = timed.server.deliveries
        assert "not a loopback address" in (delivery.error or "")

    def test_a_receiver_that_never_answers_counts_as_down(self, receiver: Receiver) -> None:
        receiver.answers = [Hang()]
        with ReplicateStandIn(clock=ManualClock(), webhook_timeout=0.2) as server, client_of(server) as api:
            served = Served(server, api)
            served.made("echo", {"text": "a"}, webhook=receiver.url, webhook_events_filter=["completed"])
            server.clock.advance(1)
            assert [item.status for item in server.deliveries] == [None, 200]


class TestFaults:
    def test_duplicate(self, timed: Served, receiver: Receiver) -> None:
        timed.server.faults.set("webhook.duplicate")
        timed.made("echo", {"text": "a"}, webhook=receiver.url, webhook_events_filter=["completed"])
        timed.server.settle()
        assert receiver.statuses == ["succeeded", "succeeded"]
        assert len(set(receiver.ids)) == 1

    def test_reorder(self, timed: Served, receiver: Receiver) -> None:
        timed.server.faults.set("webhook.reorder")
        timed.made("echo", {"text": "a"}, webhook=receiver.url, webhook_events_filter=["start", "completed"])
        timed.server.settle()
        assert receiver.statuses == ["succeeded", "starting"]

    def test_drop_start(self, timed: Served, receiver: Receiver) -> None:
        timed.server.faults.set("webhook.drop_start")
        timed.made("echo", {"text": "a"}, webhook=receiver.url, webhook_events_filter=["start", "completed"])
        timed.server.settle()
        assert receiver.statuses == ["succeeded"]

    def test_drop_completed(self, timed: Served, receiver: Receiver) -> None:
        timed.server.faults.set("webhook.drop_completed")
        made = timed.made(
            "echo", {"text": "a"}, webhook=receiver.url, webhook_events_filter=["start", "completed"]
        )
        timed.server.clock.advance(300)
        assert receiver.statuses == ["starting"]
        assert timed.read(made)["status"] == "succeeded"

    @pytest.mark.parametrize(
        ("fault", "good"),
        [
            ("webhook.wrong_secret", False),
            ("webhook.stale_timestamp", False),
            ("webhook.only_v2", False),
            ("webhook.extra_signature", True),
        ],
    )
    def test_signatures(self, served: Served, receiver: Receiver, fault: str, good: bool) -> None:
        served.server.faults.set(fault)
        served.made("echo", {"text": "a"}, webhook=receiver.url, webhook_events_filter=["completed"])
        (request,) = receiver.wait_for(lambda found: len(found) == 1)
        assert verified(served, request) is good
        if fault == "webhook.extra_signature":
            first, second = (request.header("webhook-signature") or "").split()
            assert first.startswith("v2,")
            assert second.startswith("v1,")

    def test_a_stale_message_is_signed_correctly(self, timed: Served, receiver: Receiver) -> None:
        timed.server.faults.set("webhook.stale_timestamp", value="400")
        timed.made("echo", {"text": "a"}, webhook=receiver.url, webhook_events_filter=["completed"])
        timed.server.settle()
        (request,) = receiver.requests
        assert int(request.header("webhook-timestamp") or 0) == int(timed.server.clock.now()) - 400

    def test_a_large_body(self, served: Served, receiver: Receiver) -> None:
        served.server.faults.set("webhook.large_body")
        served.made("echo", {"text": "a"}, webhook=receiver.url, webhook_events_filter=["completed"])
        (request,) = receiver.wait_for(lambda found: len(found) == 1)
        assert len(request.body) > 5_000_000
        assert verified(served, request)

    @pytest.mark.parametrize(("silent", "expected"), [(False, ["aborted"]), (True, [])])
    def test_an_aborted_one_may_be_silent(
        self, timed: Served, receiver: Receiver, silent: bool, expected: list[str]
    ) -> None:
        if silent:
            timed.server.faults.set("webhook.silent_abort")
        timed.server.faults.set("execution.stay_starting")
        timed.made(
            "echo",
            {"text": "a"},
            webhook=receiver.url,
            webhook_events_filter=["completed"],
            headers={"Cancel-After": "10s"},
        )
        timed.server.clock.advance(11)
        assert receiver.statuses == expected
