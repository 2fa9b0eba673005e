"""The API: what it answers fits its own description."""

from __future__ import annotations

import json
from typing import Any

import pytest
import referencing
from jsonschema import Draft202012Validator
from server_lab import SECRET, TOKEN, Lab, basic, eventually
from test_hooks import is_problem
from werkzeug.test import TestResponse

from hookline.server.app import ROUTES
from hookline.server.openapi import openapi_document

Json = Any
DOCUMENT = openapi_document(ROUTES)


def described(answer: TestResponse, method: str, template: str) -> Json:
    """The answer's document, once it has been compared with the description."""
    responses = DOCUMENT["paths"][template][method]["responses"]
    assert str(answer.status_code) in responses, answer.text
    content = responses[str(answer.status_code)]["content"]
    assert answer.mimetype in content, answer.mimetype
    document = answer.get_json()
    # References begin at the root, so the root is what they are looked up in.
    schema = {**content[answer.mimetype]["schema"], "components": DOCUMENT["components"]}
    Draft202012Validator(schema, registry=referencing.Registry()).validate(document)
    return document


def test_every_listed_route_is_described(shared: Lab) -> None:
    answer = shared.get("/api/v1/openapi.json")
    document = described(answer, "get", "/api/v1/openapi.json")
    assert document == DOCUMENT
    found = {(path, method) for path, methods in document["paths"].items() for method in methods}
    assert found == {(route.template, route.method.lower()) for route in ROUTES if route.is_listed}
    names = [
        operation["operationId"] for methods in document["paths"].values() for operation in methods.values()
    ]
    assert len(names) == len(set(names))
    for methods in document["paths"].values():
        for operation in methods.values():
            assert operation["summary"].endswith(".")
            assert operation["x-permission"] in ("open", "read", "run", "edit", "admin")
            assert ("security" in operation) == (operation["x-permission"] != "open")


def test_schemas_are_schemas() -> None:
    for schema in DOCUMENT["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)


def test_all_that_a_run_shows_is_described(lab: Lab) -> None:
    done = lab.start("plain", {"n": 1})
    waiting = lab.start("callback", {})
    failed = lab.post("/hooks/fails", {"why": "because"}).get_json()["runs"][0]
    asked = lab.start("asks", {"question": "Well?"})
    lab.finished(done)
    lab.finished(failed)
    for run in (done, waiting, failed, asked):
        document = described(lab.get(f"/api/v1/runs/{run}"), "get", "/api/v1/runs/{run_id}")
        history = described(lab.get(f"/api/v1/runs/{run}/history"), "get", "/api/v1/runs/{run_id}/history")[
            "history"
        ]
        assert [entry["seq"] for entry in history] == list(range(len(history)))
        assert history[0]["kind"] == "run.created"
        event = described(lab.get(f"/api/v1/events/{document['event']}"), "get", "/api/v1/events/{event_id}")
        assert event["runs"] == [run]
    listed = described(lab.get("/api/v1/runs"), "get", "/api/v1/runs")["runs"]
    assert [row["id"] for row in listed] == [asked, failed, waiting, done]
    full = lab.get(f"/api/v1/runs/{done}").get_json()
    full.pop("steps")
    assert full in listed
    states = {row["state"] for row in described(lab.get("/api/v1/events"), "get", "/api/v1/events")["events"]}
    assert states == {"running", "done"}
    (approval,) = described(lab.get("/api/v1/approvals"), "get", "/api/v1/approvals")["approvals"]
    assert approval["run"] == asked
    assert approval["message"] == "Well?"


@pytest.mark.parametrize("name", ["workflows", "connections", "catalogue"])
def test_what_is_installed_is_described(shared: Lab, name: str) -> None:
    document = described(shared.get(f"/api/v1/{name}"), "get", f"/api/v1/{name}")
    assert document


def test_workflows_show_their_findings(shared: Lab) -> None:
    found = {row["name"]: row for row in shared.get("/api/v1/workflows").get_json()["workflows"]}
    assert found["broken"]["deployed"] is False
    assert found["broken"]["diagnostics"][0]["code"]
    assert found["plain"]["deployed"] is True
    shown = described(shared.get("/api/v1/workflows/plain"), "get", "/api/v1/workflows/{name}")
    assert shown["definition"]["name"] == "plain"
    assert shown["version"] == found["plain"]["version"]
    is_problem(shared.get("/api/v1/workflows/none"), 404, "R401")
    is_problem(shared.get("/api/v1/workflows/broken"), 409)


def test_runs_are_filtered(lab: Lab) -> None:
    run = lab.start("plain", {"n": 1})
    lab.start("callback", {})
    lab.finished(run)

    def ids(query: str) -> list[str]:
        return [row["id"] for row in lab.get(f"/api/v1/runs?{query}").get_json()["runs"]]

    assert ids("workflow=plain") == [run]
    assert ids("status=succeeded") == [run]
    assert ids("status=succeeded&workflow=callback") == []
    assert ids("since=2100-01-01T00:00:00Z") == []
    assert len(ids("since=2000-01-01T00:00:00Z&until=2100-01-01T00:00:00%2B01:00")) == 2


@pytest.mark.parametrize("name", ["runs", "events", "approvals"])
def test_lists_are_read_page_by_page(lab: Lab, name: str) -> None:
    for number in range(7):
        lab.start("asks", {"question": str(number)})
    every = lab.get(f"/api/v1/{name}").get_json()
    assert every["next"] is None
    found: list[str] = []
    cursor = ""
    for _ in range(4):
        page = lab.get(f"/api/v1/{name}?limit=2{cursor}").get_json()
        found += [row["id"] for row in page[name]]
        if page["next"] is None:
            break
        cursor = f"&cursor={page['next']}"
    assert found == [row["id"] for row in every[name]]
    assert len(set(found)) == 7


@pytest.mark.parametrize("name", ["runs", "events", "approvals"])
@pytest.mark.parametrize(
    ("query", "code"),
    [
        *((f"limit={limit}", "S601") for limit in ("0", "501", "-1", "x", "", "1e2", "٣", "9" * 5000)),
        *((f"cursor={cursor}", "S602") for cursor in ("x", "-1", "", "1' OR 1=1", "٣", "nan_1", "9" * 5000)),
    ],
)
def test_wrong_paging_is_refused(shared: Lab, name: str, query: str, code: str) -> None:
    is_problem(shared.get(f"/api/v1/{name}?{query}"), 422, code)


def test_most_rows_of_a_page(shared: Lab) -> None:
    assert shared.get("/api/v1/runs?limit=500").status_code == 200


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("runs?status=nope", "S605"),
        ("runs?since=yesterday", "S603"),
        ("runs?since=2026-01-01T00:00:00", "S603"),
        ("events?state=nope", "S605"),
        ("approvals?status=nope", "S605"),
    ],
)
def test_wrong_filters_are_refused(shared: Lab, path: str, code: str) -> None:
    is_problem(shared.get(f"/api/v1/{path}"), 422, code)


POSTS = [
    route.template
    for route in ROUTES
    if route.method == "POST" and route.path.startswith("/api/") and "validate" not in route.path
]


@pytest.mark.parametrize("template", POSTS)
@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"{", 400),
        (b"[]", 400),
        (b"\xff", 400),
        (b"[" * 100_000, 400),
        (b'{"a": NaN}', 400),
        (b'{"unknown": 1}', 422),
        (b'{"version": 7, "workflow": 7, "decision": 7, "reason": 7}', 422),
    ],
)
def test_wrong_bodies_are_refused(shared: Lab, template: str, data: bytes, status: int) -> None:
    run = shared.start("asks", {"question": "?"})
    before = len(shared.get("/api/v1/runs?limit=500").get_json()["runs"])
    event = shared.get(f"/api/v1/runs/{run}").get_json()["event"]
    path = template.format(run_id=run, event_id=event, approval_id=shared.approval_of(run), workflow="asks")
    answer = shared.client.post(
        path, data=data, headers={**shared.headers, "Content-Type": "application/json"}
    )
    is_problem(answer, status)
    described(answer, "post", template)
    assert len(shared.get("/api/v1/runs?limit=500").get_json()["runs"]) == before
    assert shared.get(f"/api/v1/runs/{run}").get_json()["status"] == "waiting"


def test_a_run_is_started_by_hand(lab: Lab) -> None:
    answer = lab.post("/api/v1/runs", {"workflow": "plain", "trigger": {"body": 5}})
    document = described(answer, "post", "/api/v1/runs")
    assert answer.status_code == 202
    assert lab.finished(document["runs"][0])["output"] == 5
    is_problem(lab.post("/api/v1/runs", {"workflow": "none"}), 404, "R401")
    is_problem(lab.post("/api/v1/runs", {"workflow": "broken"}), 409)


def test_a_run_is_canceled_once(lab: Lab) -> None:
    run = lab.start("callback", {})
    answer = lab.post(f"/api/v1/runs/{run}/cancel", {"reason": "no more"})
    assert described(answer, "post", "/api/v1/runs/{run_id}/cancel")["duplicate"] is False
    assert lab.finished(run)["status"] == "canceled"
    is_problem(lab.post(f"/api/v1/runs/{run}/cancel"), 409, "R407")
    is_problem(lab.post("/api/v1/runs/none/cancel"), 404, "R405")


def test_a_run_is_replayed_and_resumed(lab: Lab) -> None:
    run = lab.post("/hooks/fails", {"why": "because"}).get_json()["runs"][0]
    lab.finished(run)
    answer = lab.post(f"/api/v1/runs/{run}/replay", {"version": "latest"})
    (again,) = described(answer, "post", "/api/v1/runs/{run_id}/replay")["runs"]
    assert lab.finished(again)["replay_of"] == run
    event = lab.get(f"/api/v1/runs/{run}").get_json()["event"]
    assert lab.post(f"/api/v1/events/{event}/replay").status_code == 202
    answer = lab.post(f"/api/v1/runs/{run}/resume", {})
    assert described(answer, "post", "/api/v1/runs/{run_id}/resume") == {"run": run, "resuming": True}
    fine = lab.start("plain", 1)
    lab.finished(fine)
    is_problem(lab.post(f"/api/v1/runs/{fine}/resume"), 409, "R410")
    is_problem(lab.post(f"/api/v1/runs/{fine}/replay", {"from": "nope"}), 422, "R404")
    is_problem(lab.post("/api/v1/events/none/replay"), 404, "R414")


def test_an_approval_is_decided_under_a_name(lab: Lab) -> None:
    run = lab.start("asks", {"question": "Well?"})
    approval = lab.approval_of(run)
    path = f"/api/v1/approvals/{approval}"
    is_problem(lab.post(path, {"decision": "maybe"}), 422)
    answer = lab.post(path, {"decision": "approved", "comment": "fine"}, Authorization=basic("ada", TOKEN))
    assert described(answer, "post", "/api/v1/approvals/{approval_id}")["decided"] is True
    output = lab.finished(run)["output"]
    assert output["decision"] == "approved"
    assert output["by"] == "operator:ada"
    assert output["comment"] == "fine"
    is_problem(lab.post(path, {"decision": "rejected"}), 409, "R412")
    is_problem(lab.post("/api/v1/approvals/none", {"decision": "approved"}), 404, "R411")


def test_validating_changes_nothing(shared: Lab) -> None:
    path = "/api/v1/validate"
    definition = {"name": "fresh", "trigger": {"uses": "manual"}, "steps": [{"stop": "enough"}]}
    right = described(shared.post(path, definition), "post", path)
    assert right["ok"] is True, right
    wrong = described(shared.post(path, {**definition, "stepps": []}), "post", path)
    assert wrong["ok"] is False
    assert wrong["diagnostics"][0]["pointer"]
    yaml = shared.client.post(
        path, data="name: fresh\nsteps: [", headers={**shared.headers, "Content-Type": "application/yaml"}
    )
    assert described(yaml, "post", path)["ok"] is False
    for data in (b"", b"\xff", b"[" * 100_000):
        answer = shared.client.post(path, data=data, headers=shared.headers)
        assert described(answer, "post", path)["ok"] is False
    assert "fresh" not in {row["name"] for row in shared.get("/api/v1/workflows").get_json()["workflows"]}


@pytest.mark.parametrize(
    "path",
    [
        "/nowhere",
        "/api/v1/nowhere",
        "/api/v1/runs/none",
        "/api/v1/runs/none/history",
        "/api/v1/events/none",
        "/runs/none",
        "/events/none",
        "/approvals/none",
        "/artifacts/none",
        "/static/none",
        "/static/..%2fapp.py",
    ],
)
def test_what_is_not_there_is_not_found(shared: Lab, path: str) -> None:
    is_problem(shared.get(path), 404)


def test_faults_say_nothing(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fault(*arguments: object) -> None:
        raise RuntimeError(f"a detail with {SECRET}")

    monkeypatch.setattr(lab.store, "runs", fault)
    answer = lab.get("/api/v1/runs")
    is_problem(answer, 500, "S500")
    assert "detail with" not in answer.text
    assert "S500" in caplog.text


def test_secrets_are_in_no_answer(lab: Lab) -> None:
    body = {"told": SECRET, "admin": TOKEN, "quoted": json.dumps({"x": SECRET})}
    run = lab.start("plain", body)
    asked = lab.start("asks", {"question": f"Is it {SECRET} or {TOKEN}?"})
    lab.client.post("/hooks/signed", data=b"{}", headers={"X-Signature": SECRET, "X-Other": TOKEN})
    lab.finished(run)
    lab.store.flush()
    approval = lab.approval_of(asked)
    lists = ("workflows", "runs", "events", "approvals", "connections", "catalogue", "openapi.json")
    events = [row["id"] for row in lab.get("/api/v1/events").get_json()["events"]]
    assert len(events) == 3
    paths = [f"/api/v1/{name}" for name in lists]
    paths += [f"/api/v1/runs/{each}{part}" for each in (run, asked) for part in ("", "/history")]
    paths += [f"/runs/{run}", f"/runs/{asked}", f"/approvals/{approval}"]
    paths += [f"{root}/events/{event}" for root in ("", "/api/v1") for event in events]
    paths += ["/", "/approvals", "/workflows", "/events", "/costs", "/metrics", "/readyz", "/healthz"]
    for path in paths:
        answer = lab.get(path)
        assert answer.status_code == 200, path
        everything = answer.text + str(answer.headers)
        assert SECRET not in everything, path
        assert TOKEN not in everything, path


def figures_of(lab: Lab) -> dict[str, str]:
    answer = lab.get("/metrics")
    assert answer.mimetype == "text/plain"
    lines = [line for line in answer.text.splitlines() if not line.startswith("#")]
    return dict(line.rsplit(" ", 1) for line in lines)


def test_figures_are_counted(lab: Lab) -> None:
    lab.start("plain", {"n": 1})
    lab.post("/hooks/once", {"id": "a"})
    lab.post("/hooks/once", {"id": "a"})
    lab.post("/hooks/signed", {})
    lab.start("callback", {})
    lab.store.flush()
    # Runs are counted by the engine's thread, after they have been answered.
    expected = {
        'hookline_events_total{state="received"}': "3",
        'hookline_events_total{state="duplicate"}': "1",
        'hookline_events_total{state="rejected"}': "1",
        "hookline_runs_opened_total": "3",
        'hookline_runs_finished_total{status="succeeded"}': "2",
        "hookline_backlog_runs": "0",
        "hookline_attempts_executing": "0",
        "hookline_store_up": "1",
    }
    assert eventually(lambda: expected.items() <= figures_of(lab).items()), figures_of(lab)
    lab.store.interrupt("full")
    assert figures_of(lab)["hookline_store_up"] == "0"
