"""What a sender of events is answered, and what is left behind."""

from __future__ import annotations

import io
import json
import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from server_lab import SECRET, Lab, signature
from werkzeug.test import Client

JSON = {"Content-Type": "application/json"}


def is_problem(answer: Any, status: int, code: str | None = None) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.mimetype == "application/problem+json"
    document: dict[str, Any] = answer.get_json()
    assert document["status"] == status
    assert document["type"] == f"urn:hookline:code:{document['code']}"
    assert {"title", "detail"} <= document.keys()
    if code is not None:
        assert document["code"] == code
    return document


def test_an_event_is_stored_with_its_run(lab: Lab) -> None:
    answer = lab.post("/hooks/plain", {"n": 1})
    assert answer.status_code == 202
    document = answer.get_json()
    assert set(document) == {"event", "runs"}
    (run,) = document["runs"]
    stored = lab.engine.store.event(document["event"])
    assert stored is not None
    assert stored.run_id == run
    assert stored.body == b'{"n": 1}'
    assert lab.finished(run)["output"] == {"n": 1}


def test_a_duplicate_has_the_same_ids(lab: Lab) -> None:
    first = lab.post("/hooks/once", {"id": "a"}).get_json()
    again = lab.post("/hooks/once", {"id": "a"})
    assert again.status_code == 200
    assert again.get_json() == {**first, "duplicate": True}
    assert lab.post("/hooks/once", {"id": "b"}).status_code == 202


def test_senders_who_come_together_start_one_run(lab: Lab) -> None:
    body = {"id": "x"}
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: lab.app.test_client().post("/hooks/once", json=body), range(24)))
    assert sorted(answer.status_code for answer in answers) == [200] * 23 + [202]
    assert len({json.dumps(answer.get_json()["runs"]) for answer in answers}) == 1


def test_a_bad_signature_runs_nothing_and_is_seen(lab: Lab) -> None:
    answer = lab.post("/hooks/signed", {"n": 1}, X_Signature="0" * 64)
    document = is_problem(answer, 401, "C601")
    assert document["detail"] == "the request is refused"
    lab.engine.store.flush()
    (event,) = lab.get("/api/v1/events").get_json()["events"]
    assert event["state"] == "rejected"
    assert event["reason"]
    assert event["runs"] == []
    assert lab.engine.store.event(event["id"]).body is None  # type: ignore[union-attr]
    assert lab.get("/api/v1/runs").get_json()["runs"] == []
    right = lab.client.post("/hooks/signed", data=b"{}", headers={**JSON, "X-Signature": signature(b"{}")})
    assert right.status_code == 202


@pytest.mark.parametrize(
    ("path", "data", "content_type", "status"),
    [
        ("/hooks/plain", b"{", "application/json", 400),
        ("/hooks/plain", b"[" * 100_000, "application/json", 400),
        ("/hooks/plain", b'{"a":' * 5_000 + b"1" + b"}" * 5_000, "application/json", 400),
        ("/hooks/plain", b'{"a": NaN}', "application/json", 400),
        ("/hooks/plain", b'{"a": 1, "a": 2}', "application/json", 400),
        ("/hooks/plain", b"\x00\x01", "application/octet-stream", 415),
        ("/hooks/plain", b"{}", "", 415),
        ("/hooks/plain", b'{"f": {"$file": "artifact:0"}}', "application/json", 422),
        ("/hooks/strict", b'{"m": 1}', "application/json", 422),
        ("/hooks/once", b'{"m": 1}', "application/json", 422),
    ],
)
def test_what_cannot_be_read_is_refused(
    lab: Lab, path: str, data: bytes, content_type: str, status: int
) -> None:
    is_problem(lab.client.post(path, data=data, headers={"Content-Type": content_type}), status)
    assert lab.get("/api/v1/runs").get_json()["runs"] == []


def test_an_unknown_path_is_not_found(shared: Lab) -> None:
    is_problem(shared.post("/hooks/nobody", {}), 404, "R402")
    is_problem(shared.post("/hooks/plain/more", {}), 404, "R402")
    is_problem(shared.post("/hooks/", {}), 404, "S404")


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"])
def test_only_post_is_taken(shared: Lab, method: str) -> None:
    answer = shared.client.open("/hooks/plain", method=method)
    assert answer.status_code == 405
    assert "POST" in answer.headers["Allow"]
    if method != "HEAD":
        is_problem(answer, 405, "S405")


def test_a_body_that_is_too_large_is_refused(labs: Any) -> None:
    lab = labs(max_body_bytes="1000")
    assert lab.client.post("/hooks/plain", data=b'"' + b"a" * 998 + b'"', headers=JSON).status_code == 202
    is_problem(lab.client.post("/hooks/plain", data=b'"' + b"a" * 999 + b'"', headers=JSON), 413, "S612")


def test_chunks_without_a_length_are_refused_where_a_server_passes_them_on(shared: Lab) -> None:
    answer = shared.client.post(
        "/hooks/plain",
        environ_overrides={"CONTENT_LENGTH": ""},
        headers={**JSON, "Transfer-Encoding": "chunked"},
    )
    is_problem(answer, 411, "S611")


def test_an_empty_body_is_null(lab: Lab) -> None:
    answer = lab.client.post("/hooks/plain")
    assert lab.finished(answer.get_json()["runs"][0])["output"] is None


def test_while_nothing_can_be_stored_senders_are_told_to_come_back(lab: Lab) -> None:
    lab.store.interrupt("the disk is full: /secret/place")
    answer = lab.post("/hooks/plain", {"n": 1})
    document = is_problem(answer, 503, "S101")
    assert int(answer.headers["Retry-After"]) > 0
    ready = lab.get("/readyz")
    is_problem(ready, 503, "S101")
    assert "/secret/place" not in ready.text
    assert lab.get("/healthz").status_code == 200
    assert document["hint"]
    lab.store.resume()
    assert lab.get("/readyz").status_code == 200
    assert lab.post("/hooks/plain", {"n": 1}).status_code == 202


def test_a_full_backlog_turns_senders_away(labs: Any) -> None:
    lab = labs(max_backlog="0")
    answer = lab.post("/hooks/plain", {"n": 1})
    is_problem(answer, 503, "S301")
    assert int(answer.headers["Retry-After"]) > 0
    assert lab.get("/api/v1/events").get_json()["events"] == []


def test_the_output_can_be_the_answer(lab: Lab) -> None:
    answer = lab.post("/hooks/output", {"x": 21})
    assert answer.status_code == 200
    assert answer.get_json()["output"] == {"doubled": 42}


def test_a_failed_run_is_a_bad_gateway(lab: Lab) -> None:
    document = is_problem(lab.post("/hooks/output", {"x": "text"}), 502)
    assert document["runs"]
    assert document["event"]


def test_a_respond_step_answers(lab: Lab) -> None:
    answer = lab.post("/hooks/answers", {"word": "<script>"})
    assert answer.status_code == 418
    assert answer.text == "<h1><script></h1>"
    # An author's text is no page of this server, and the author sets no cookie on it.
    assert answer.mimetype == "text/plain"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["X-Kind"] == "tea"
    assert "Set-Cookie" not in answer.headers


def test_who_waits_too_long_gets_an_address(lab: Lab) -> None:
    lab.app.extensions["hookline.waiters"].seconds = 0.0
    answer = lab.post("/hooks/slow", {})
    assert answer.status_code == 202
    document = answer.get_json()
    assert answer.headers["Location"] == document["location"] == f"/api/v1/runs/{document['runs'][0]}"
    assert lab.get(answer.headers["Location"]).get_json()["status"] == "waiting"


def test_only_so_many_wait_at_a_time(labs: Any) -> None:
    lab = labs(server_threads="2")
    waiters = lab.app.extensions["hookline.waiters"]
    assert waiters.places.acquire(blocking=False)
    answer = lab.post("/hooks/output", {"x": 1})
    assert answer.status_code == 202
    assert answer.headers["Location"]
    waiters.places.release()
    assert lab.post("/hooks/output", {"x": 1}).status_code == 200


# The short way and the long way --------------------------------------------------------------------


def without_ids(answer: Any) -> tuple[int, dict[str, str], str]:
    text = answer.text
    for run_or_event in set(re.findall(r"(?:run|evt)_[0-9a-f]+", text)):
        text = text.replace(run_or_event, "id")
    return answer.status_code, {name.lower(): value for name, value in answer.headers}, text.replace(" ", "")


@pytest.mark.parametrize(
    ("path", "data", "headers"),
    [
        ("/hooks/plain", b'{"n": 1}', {}),
        ("/hooks/plain?a=1&a=2&b=%ff&c", b'{"n": 1}', {"X-Some-Thing": "some"}),
        ("/hooks/plain", b"", {}),
        ("/hooks/plain", b"{", {}),
        ("/hooks/plain", b"{}", {"Content-Type": "image/png"}),
        ("/hooks/signed", b"{}", {"X-Signature": signature(b"{}")}),
        ("/hooks/signed", b"{}", {"X-Signature": "wrong"}),
        ("/hooks/strict", b"{}", {}),
        ("/hooks/output", b'{"x": 2}', {}),
        ("/hooks/answers", b'{"word": "tea"}', {}),
        ("/hooks/none", b"{}", {}),
        ("/hooks/%c3%a9", b"{}", {}),
    ],
)
def test_both_ways_in_are_alike(lab: Lab, path: str, data: bytes, headers: dict[str, str]) -> None:
    answers = [
        Client(application).post(path, data=data, headers={**JSON, **headers})
        for application in (lab.app.wsgi_app, lab.app.wsgi_app._application)  # type: ignore[attr-defined]
    ]
    assert without_ids(answers[0]) == without_ids(answers[1])
    lab.store.flush()
    seen = [lab.get(f"/api/v1/events/{row['id']}").get_json() for row in events_of(lab)]
    assert len(seen) in (0, 2)
    for event in seen:
        for name in ("id", "runs", "received_at"):
            event.pop(name)
    assert seen[:1] == seen[1:]
    runs = [
        lab.get(f"/api/v1/runs/{row['id']}").get_json() for row in lab.get("/api/v1/runs").get_json()["runs"]
    ]
    steps = [[step["input"] for step in run["steps"]] for run in runs]
    assert steps[:1] == steps[1:]


def events_of(lab: Lab) -> list[Any]:
    found: list[Any] = lab.get("/api/v1/events").get_json()["events"]
    return found


def test_a_body_that_ends_too_early_is_not_taken(lab: Lab) -> None:
    answer = lab.client.post(
        "/hooks/plain",
        headers=JSON,
        input_stream=io.BytesIO(b"{}"),
        environ_overrides={"CONTENT_LENGTH": "9"},
    )
    is_problem(answer, 400, "S613")
    lab.engine.store.flush()
    (event,) = events_of(lab)
    assert (event["state"], event["reason"]) == ("rejected", "the body ended too early")


def test_a_fault_while_taking_in_says_nothing(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    def fault(request: Any) -> None:
        raise RuntimeError("a detail")

    monkeypatch.setattr(lab.engine, "receive_hook", fault)
    assert "a detail" not in json.dumps(is_problem(lab.post("/hooks/plain", {}), 500, "S500"))


# Callbacks -------------------------------------------------------------------------------------------


def callback_of(lab: Lab, run: str, attempt: int = 0) -> str:
    return f"/callbacks/{lab.engine.tokens.token(run, 'steps[0]', attempt)}"


def test_a_callback_wakes_its_step_once(lab: Lab) -> None:
    run = lab.start("callback", {})
    first = lab.post(callback_of(lab, run), {"ok": 1})
    assert first.status_code == 202
    assert first.get_json() == {"ok": True}
    assert lab.finished(run)["status"] == "succeeded"
    is_problem(lab.post(callback_of(lab, run), {"ok": 2}), 410, "R407")


def test_a_repeated_callback_is_a_duplicate(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    run = lab.start("callback", {})
    monkeypatch.setattr(lab.engine.runner, "wake", lambda run_id: None)  # it is not taken in yet
    assert lab.post(callback_of(lab, run), {"ok": 1}).status_code == 202
    again = lab.post(callback_of(lab, run), {"ok": 1})
    assert again.status_code == 200
    assert again.get_json() == {"ok": True, "duplicate": True}
    assert lab.post(callback_of(lab, run), {"ok": 2}).status_code == 202


def test_a_callback_may_repeat_all_that_was_sent_to_a_model(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Replicate's webhooks hold input, output and logs: 1 MiB loses the end of what had large inputs."""
    run = lab.start("callback", {})
    taken: list[int] = []
    monkeypatch.setattr(lab.engine, "receive_callback", lambda *given: taken.append(len(given[2])) or True)
    assert lab.post(callback_of(lab, run), {"logs": "x" * 10_000_000}).status_code == 202
    assert taken[0] > 10_000_000


def test_a_strangers_body_is_not_even_read(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[object] = []
    monkeypatch.setattr("hookline.server.hooks.raw_body", lambda: read.append(1))
    is_problem(lab.post("/callbacks/x.y", {"ok": 1}), 404, "R406")
    assert read == []


def test_a_forged_token_is_not_found(lab: Lab) -> None:
    run = lab.start("callback", {})
    token = callback_of(lab, run)
    signed, _, mark = token.rpartition(".")
    changed = f"{signed}.{'A' if mark[0] != 'A' else 'B'}{mark[1:]}"
    for forged in ("/callbacks/x", "/callbacks/x.y", changed, token.replace(".", "")):
        is_problem(lab.post(forged, {"ok": 1}), 404)
    unknown_run = f"/callbacks/{lab.engine.tokens.token('run_none', 'steps[0]', 0)}"
    is_problem(lab.post(unknown_run, {"ok": 1}), 404, "R406")
    unknown_step = f"/callbacks/{lab.engine.tokens.token(run, 'steps[7]', 0)}"
    is_problem(lab.post(unknown_step, {"ok": 1}), 404, "R406")


def test_a_callback_that_does_not_fit_leaves_the_step_waiting(lab: Lab) -> None:
    run = lab.start("callback", {})
    is_problem(lab.post(callback_of(lab, run), {"no": 1}), 422, "R408")
    is_problem(lab.client.post(callback_of(lab, run), data=b"{", headers=JSON), 400, "R408")
    is_problem(lab.client.post(callback_of(lab, run), data=b"[" * 100_000, headers=JSON), 400, "R408")
    assert lab.get(f"/api/v1/runs/{run}").get_json()["status"] == "waiting"


def test_a_callback_cannot_be_stored_while_the_store_is_down(lab: Lab) -> None:
    run = lab.start("callback", {})
    lab.store.interrupt("full")
    answer = lab.post(callback_of(lab, run), {"ok": 1})
    is_problem(answer, 503, "S101")
    assert answer.headers["Retry-After"]


def test_secrets_of_senders_are_not_kept(lab: Lab) -> None:
    lab.post("/hooks/plain", {"a": 1}, Authorization=f"Bearer {SECRET}", Cookie="session=abcdefgh")
    (event,) = lab.get("/api/v1/events").get_json()["events"]
    text = lab.get(f"/api/v1/events/{event['id']}").text
    assert SECRET not in text
    assert "abcdefgh" not in text


# What is answered and recorded ----------------------------------------------------------------------


def add(lab: Lab, **parameters: Any) -> None:
    """Deploy one more workflow at ``/hooks/extra``."""
    definition = {
        "name": "extra",
        "trigger": {"uses": "webhook", "with": {"path": "extra", "auth": {"type": "none"}, **parameters}},
        "steps": [{"id": "long", "wait": {"for": "1h"}}],
    }
    path = lab.project / "workflows" / "extra.json"
    path.write_text(json.dumps(definition))
    loaded = lab.engine.load_files([path])
    assert not loaded.files[0].has_errors, loaded.files[0].diagnostics


def test_a_request_that_matches_nothing_is_recorded(lab: Lab) -> None:
    lab.post("/hooks/nobody/<b>", {"n": 1})
    lab.engine.store.flush()
    (event,) = events_of(lab)
    assert (event["state"], event["workflow"], event["runs"]) == ("rejected", None, [])
    assert "nobody/<b>" in event["reason"]
    assert lab.engine.store.event(event["id"]).body is None  # type: ignore[union-attr]


def test_a_flood_of_refused_requests_leaves_few_rows(lab: Lab) -> None:
    for number in range(60):
        assert lab.post(f"/hooks/nobody-{number}", {}).status_code == 404
        assert lab.post("/hooks/signed", {}, X_Signature="0").status_code == 401
    lab.engine.store.flush()
    assert len(events_of(lab)) == 40
    assert lab.engine.counts().events["rejected"] == 120


def test_a_fixed_answer_is_given_to_repetitions_too(lab: Lab) -> None:
    given = {"type": "answer", "status": 201, "body": "ok", "headers": {"X-A": "b", "Set-Cookie": "a=b"}}
    add(lab, respond=given, dedupe="body.id")
    for _ in range(2):
        answer = lab.post("/hooks/extra", {"id": "a"})
        assert (answer.status_code, answer.text, answer.headers["X-A"]) == (201, "ok", "b")
        assert "Set-Cookie" not in answer.headers
    assert [event["state"] for event in events_of(lab)] == ["duplicate", "running"]


def test_a_deadline_of_ones_own_ends_the_waiting(lab: Lab) -> None:
    add(lab, respond={"type": "output", "deadline": "0s"})
    answer = lab.post("/hooks/extra", {})
    assert answer.status_code == 202
    assert answer.headers["Location"].startswith("/api/v1/runs/run_")


def test_a_sender_that_asks_first_is_answered_and_leaves_no_event(lab: Lab) -> None:
    add(lab, handshake="dropbox")
    answer = lab.get("/hooks/extra?challenge=abc")
    assert (answer.status_code, answer.text, answer.mimetype) == (200, "abc", "text/plain")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    is_problem(lab.get("/hooks/extra"), 405, "S405")
    is_problem(lab.get("/hooks/nobody?challenge=abc"), 404, "R402")
    assert all(event["state"] == "rejected" for event in events_of(lab))


def test_a_rate_is_kept(lab: Lab) -> None:
    add(lab, rate_limit={"max": 2, "per": "1h"})
    assert [lab.post("/hooks/extra", {}).status_code for _ in range(3)] == [202, 202, 429]
    answer = lab.post("/hooks/extra", {})
    is_problem(answer, 429, "C611")
    assert 1700 < int(answer.headers["Retry-After"]) <= 1800
    assert len(lab.get("/api/v1/runs").get_json()["runs"]) == 2


def form(content: bytes) -> tuple[bytes, dict[str, str]]:
    head = b'--B\r\nContent-Disposition: form-data; name="photo"; filename="../a.png"\r\n'
    head += b"Content-Type: image/png\r\n\r\n"
    return head + content + b"\r\n--B--\r\n", {"Content-Type": "multipart/form-data; boundary=B"}


def test_a_large_upload_goes_from_file_to_file_by_both_ways(labs: Any) -> None:
    lab = labs(max_body_bytes=str(4_000_000))
    add(lab, max_bytes="4MB")
    body, headers = form(bytes(range(256)) * 12_000)
    for application in (lab.app.wsgi_app, lab.app.wsgi_app._application):
        answer = Client(application).post("/hooks/extra", data=body, headers=headers)
        assert answer.status_code == 202
        event = lab.engine.store.event(answer.get_json()["event"])
        assert event.body is None
        run = lab.engine.history(answer.get_json()["runs"][0])[0]["data"]["trigger"]
        (file,) = run["files"]
        assert (file["name"], file["bytes"]) == ("a.png", 3_072_000)
        assert lab.engine.artifacts.path(file["sha256"]).stat().st_size == 3_072_000
    is_problem(lab.client.post("/hooks/plain", data=body, headers=headers), 413, "C607")
    cut = lab.client.post(
        "/hooks/extra",
        headers=headers,
        input_stream=io.BytesIO(body[:1_000_000]),
        environ_overrides={"CONTENT_LENGTH": str(len(body))},
    )
    is_problem(cut, 400, "S613")


def test_a_trigger_that_reads_no_files_gets_a_large_body_whole(
    labs: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = labs(max_body_bytes=str(4_000_000))
    add(lab, max_bytes="4MB")
    monkeypatch.setattr(lab.engine.registry.triggers["webhook"], "streams", False)
    text = {"text": "x" * 1_000_000}
    assert lab.post("/hooks/extra", text).status_code == 202
    monkeypatch.setattr("hookline.engine.engine.LARGEST_IN_MEMORY", 500_000)
    is_problem(lab.post("/hooks/extra", text), 413, "S612")


def test_a_recorded_request_starts_nothing_under_another_name(lab: Lab) -> None:
    auth = {"type": "hmac", "header": "X-Signature", "timestamp_header": "X-Time"}
    definition = {
        "name": "extra",
        "trigger": {
            "uses": "webhook",
            "with": {"path": "extra", "auth": auth, "dedupe": "header:X-Request-Id"},
        },
        "steps": [{"id": "echo", "uses": "transform", "with": {"value": "{{ trigger.body }}"}}],
    }
    path = lab.project / "workflows" / "extra.json"
    path.write_text(json.dumps(definition))
    assert not lab.engine.load_files([path]).files[0].has_errors

    def send(number: int, name: str, at: int) -> Any:
        body = json.dumps({"n": number}).encode()
        headers = {**JSON, "X-Request-Id": name, "X-Time": str(at)}
        return lab.client.post(
            "/hooks/extra",
            data=body,
            headers={**headers, "X-Signature": signature(f"{at}.".encode() + body)},
        )

    now = int(lab.engine.clock())
    first = send(1, "a", now)
    assert first.status_code == 202
    # The sender tries again: with the old signature, and with a new one.
    for at in (now, now - 1):
        assert send(1, "a", at).get_json() == {**first.get_json(), "duplicate": True}
    stolen = send(1, "b", now)
    assert (stolen.status_code, stolen.get_json()["runs"]) == (200, [])
    assert send(1, "c", now - 2).status_code == 202
    assert send(2, "d", now).status_code == 202
    lab.engine.store.flush()
    reasons = [event["reason"] for event in events_of(lab) if event["state"] == "duplicate"]
    assert sum("under another identity" in reason for reason in reasons) == 1
    assert len(lab.get("/api/v1/runs").get_json()["runs"]) == 3
