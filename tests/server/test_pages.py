"""The pages: what is shown is text, what changes something is a POST from a page of ours."""

from __future__ import annotations

import hashlib
import json
from html.parser import HTMLParser
from typing import Any

import pytest
from server_lab import EVIL, TOKEN, Lab, basic
from test_hooks import is_problem

from hookline.server import forms
from hookline.server.presentation import (
    Shown,
    duration,
    files_in,
    pretty,
    run_in_words,
    shown_parts,
    step_in_words,
)

HTML = "text/html"


class Page(HTMLParser):
    """A page's elements; fails on what must not be there."""

    void = frozenset({"meta", "link", "input", "br", "img"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.shown = ""
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag == "script":
            assert dict(attrs) == {"src": "/static/live-run.js", "defer": None}
        assert tag not in ("iframe", "style")
        if tag == "img":
            # Thumbnails, which are made here.
            assert str(dict(attrs)["src"]).endswith("/thumbnail")
        assert not any(name.startswith("on") or name == "style" for name, _ in attrs)
        if tag not in self.void:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.shown += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def page(lab: Lab, path: str) -> Page:
    answer = lab.get(path, Accept=HTML)
    assert answer.status_code == 200, answer.text
    assert answer.mimetype == HTML
    assert answer.headers["Cache-Control"] == "no-store"
    assert "script-src 'self'" in answer.headers["Content-Security-Policy"]
    found = Page(answer.text)
    (html,) = found.all("html")
    assert html["lang"] == "en"
    assert len(found.all("h1")) == 1
    assert found.all("main")
    assert found.elements[found.elements.index(("body", {})) + 1] == ("a", {"class": "skip", "href": "#main"})
    for form in found.all("form"):
        assert form["method"] in ("get", "post")
    return found


@pytest.mark.parametrize("path", ["/", "/approvals", "/workflows", "/events", "/costs"])
def test_empty_pages_say_so(lab: Lab, path: str) -> None:
    assert page(lab, path).shown


def test_the_address_above_a_run_leads_to_the_list(lab: Lab) -> None:
    answer = lab.get("/runs?status=failed")
    assert (answer.status_code, answer.headers["Location"]) == (308, "/?status=failed")


def test_everything_shown_is_text(lab: Lab) -> None:
    ran = lab.start("plain", {EVIL: EVIL})
    failed = lab.post("/hooks/fails", {"why": EVIL}).get_json()["runs"][0]
    asked = lab.start("asks", {"question": EVIL})
    lab.post("/hooks/signed", {}, User_Agent=EVIL)
    lab.post("/hooks/plain", {}, User_Agent=EVIL, X_Evil=EVIL)
    lab.finished(ran)
    lab.finished(failed)
    approval = lab.approval_of(asked)
    lab.post(f"/api/v1/approvals/{approval}", {"decision": "rejected", "by": EVIL, "comment": EVIL})
    lab.finished(asked)
    lab.store.flush()
    events = [row["id"] for row in lab.get("/api/v1/events").get_json()["events"]]
    shown = 0
    paths = [
        "/",
        f"/?workflow={EVIL}",
        "/approvals?status=all",
        "/workflows",
        "/events",
        f"/events?workflow={EVIL}",
    ]
    paths += [f"/runs/{ran}", f"/runs/{failed}", f"/runs/{asked}", f"/approvals/{approval}"]
    for path in [*paths, *(f"/events/{event}" for event in events)]:
        shown += EVIL[:20] in page(lab, path).shown
    assert shown >= 9
    error = lab.get("/runs/<script>", Accept=HTML)
    assert error.status_code == 404
    assert "<script>" in Page(error.text).shown


def test_a_run_is_explained(lab: Lab) -> None:
    waiting = lab.start("callback", {})
    assert "waits" in page(lab, f"/runs/{waiting}").shown
    failed = lab.post("/hooks/fails", {"why": "the reason"}).get_json()["runs"][0]
    lab.finished(failed)
    assert "the reason" in page(lab, f"/runs/{failed}").shown
    done = lab.start("plain", {"n": 1})
    lab.finished(done)
    found = page(lab, f"/runs/{done}")
    assert "It succeeded" in found.shown
    actions = [form["action"] for form in found.all("form")]
    assert f"/runs/{done}/replay" in actions
    assert f"/runs/{done}/cancel" not in actions


def test_a_waiting_run_leads_to_its_approval(lab: Lab) -> None:
    run = lab.start("asks", {"question": "Well?"})
    path = f"/approvals/{lab.approval_of(run)}"
    links = [each["href"] for each in page(lab, f"/runs/{run}").all("a")]
    assert links.count(path) == 2, "at the top and at the step"
    lab.form(path, {"form_token": lab.form_token(path, path), "decision": "approved"})
    lab.finished(run)
    assert path not in [each["href"] for each in page(lab, f"/runs/{run}").all("a")]


def test_runs_are_filtered_and_paged(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hookline.server.pages.ROWS", 2)
    runs = [lab.start("plain", number) for number in range(5)]
    lab.start("callback", {})
    for run in runs:
        lab.finished(run)
    seen: list[str] = []
    path = "/?workflow=plain&status=succeeded"
    for _ in range(3):
        links = [link["href"] or "" for link in page(lab, path).all("a")]
        seen += [link.removeprefix("/runs/") for link in links if link.startswith("/runs/")]
        path = next((link for link in links if "cursor=" in link), "")
        assert path == "" or "workflow=plain" in path
    assert seen == runs[::-1]
    assert path == ""
    assert page(lab, "/?cursor=wrong&status=wrong").all("table")


# Buttons ---------------------------------------------------------------------------------------------


def test_a_run_is_canceled_by_a_button(lab: Lab) -> None:
    run = lab.start("callback", {})
    action = f"/runs/{run}/cancel"
    token = lab.form_token(f"/runs/{run}", action)
    answer = lab.form(action, {"form_token": token})
    assert answer.status_code == 303
    assert answer.headers["Location"] == f"/runs/{run}"
    assert lab.finished(run)["status"] == "canceled"
    is_problem(lab.form(action, {"form_token": token}), 409, "R407")
    action = f"/runs/{run}/resume"
    again = lab.form(action, {"form_token": lab.form_token(f"/runs/{run}", action)})
    assert again.status_code == 303
    assert lab.settled(run, lambda document: document["status"] == "waiting")


def test_a_replay_leads_to_the_new_run(lab: Lab) -> None:
    run = lab.start("plain", {"n": 1})
    lab.finished(run)
    action = f"/runs/{run}/replay"
    token = lab.form_token(f"/runs/{run}", action)
    answer = lab.form(action, {"form_token": token, "version": "latest"})
    new = answer.headers["Location"].removeprefix("/runs/")
    assert new != run
    assert lab.finished(new)["replay_of"] == run


@pytest.mark.parametrize("token", [None, "", "0" * 64, "é"])
def test_a_form_without_the_right_token_does_nothing(lab: Lab, token: str | None) -> None:
    run = lab.start("asks", {"question": "Well?"})
    approval = lab.approval_of(run)
    values = {"decision": "approved"} if token is None else {"decision": "approved", "form_token": token}
    for action in (
        f"/approvals/{approval}",
        f"/runs/{run}/cancel",
        f"/runs/{run}/replay",
        f"/runs/{run}/resume",
    ):
        is_problem(lab.form(action, values), 403, "S706")
    assert lab.get(f"/api/v1/runs/{run}").get_json()["status"] == "waiting"
    assert len(lab.get("/api/v1/runs").get_json()["runs"]) == 1


def test_a_token_is_good_for_its_own_form_and_time(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    run, other = lab.start("callback", {}), lab.start("callback", {})
    token = lab.form_token(f"/runs/{run}", f"/runs/{run}/cancel")
    is_problem(lab.form(f"/runs/{other}/cancel", {"form_token": token}), 403, "S706")
    is_problem(lab.form(f"/runs/{run}/replay", {"form_token": token}), 403, "S706")
    now = lab.engine.clock()
    monkeypatch.setattr(lab.engine, "clock", lambda: now + 2 * forms.TOKEN_SECONDS)
    is_problem(lab.form(f"/runs/{run}/cancel", {"form_token": token}), 403, "S706")
    monkeypatch.setattr(lab.engine, "clock", lambda: now + forms.TOKEN_SECONDS)
    assert lab.form(f"/runs/{run}/cancel", {"form_token": token}).status_code == 303


def test_a_form_of_another_page_is_refused_even_with_the_token(lab: Lab) -> None:
    run = lab.start("callback", {})
    action = f"/runs/{run}/cancel"
    values = {"form_token": lab.form_token(f"/runs/{run}", action)}
    is_problem(lab.form(action, values, Origin="https://evil.example"), 403, "S702")
    assert lab.form(action, values, Origin="http://localhost").status_code == 303


def test_looking_decides_nothing(lab: Lab) -> None:
    run = lab.start("asks", {"question": "Well?"})
    approval = lab.approval_of(run)
    assert page(lab, f"/approvals/{approval}?decision=approved").all("form")
    page(lab, "/approvals?decision=approved")
    assert lab.engine.store.approval(approval).status == "pending"  # type: ignore[union-attr]


def test_a_person_decides_with_a_form(lab: Lab) -> None:
    run = lab.start("asks", {"question": "Well?"})
    path = f"/approvals/{lab.approval_of(run)}"
    values = {
        "form_token": lab.form_token(path, path),
        "comment": "go",
        "form.reason": "cheap",
        "form.urgent": "true",
    }
    is_problem(lab.form(path, {**values, "decision": "maybe"}), 422, "R413")
    is_problem(lab.form(path, {**values, "decision": "approved", "form.amount": "many"}), 422, "S707")
    answer = lab.form(
        path, {**values, "decision": "approved", "form.amount": "3"}, Authorization=basic("ada", TOKEN)
    )
    assert answer.status_code == 303
    output = lab.finished(run)["output"]
    assert output["by"] == "operator:ada"
    assert output["comment"] == "go"
    assert output["form"] == {"reason": "cheap", "amount": 3, "urgent": True}
    assert "approved" in page(lab, path).shown


def test_a_card_shows_what_is_decided_before_its_buttons(lab: Lab) -> None:
    sha256 = "b" * 64
    kept = {"$file": f"artifact:{sha256}", "name": "cat.png", "mime": "image/png", "sha256": sha256}
    body = {"question": "Publish?", "caption": "two\nlines", "picture": kept, "count": 3}
    run = lab.engine.start_run("asks", {"body": body}).run_id
    assert run is not None
    lab.settled(run, lambda document: document["status"] == "waiting")
    path = f"/approvals/{lab.approval_of(run)}"
    card = page(lab, "/approvals")
    for shown in (card, page(lab, path)):
        assert "Who decides" in shown.shown
        assert "operator" in shown.shown
        assert "two\nlines" in shown.shown
        link = shown.elements.index(("a", {"href": f"/artifacts/{sha256}?type=image/png"}))
        assert any(told.get("value") == "approved" for _, told in shown.elements) == (shown is not card)
        assert not any(told.get("value") in ("approved", "rejected") for _, told in shown.elements[:link])
        assert "Download cat.png" in shown.shown
    (link_to_form,) = (each for each in card.all("a") if each.get("class") == "button")
    assert link_to_form["href"] == path


def test_the_form_of_an_approval_sends_values_of_its_types(lab: Lab) -> None:
    run = lab.start("fills", {})
    path = f"/approvals/{lab.approval_of(run)}"
    shown = page(lab, path)
    inputs = {each["name"]: each for each in shown.all("input")}
    assert (inputs["form.reason"]["maxlength"], "required" in inputs["form.reason"]) == ("20", True)
    assert (inputs["form.share"]["min"], inputs["form.share"]["max"]) == ("0", "1")
    assert "required" not in inputs["form.share"]
    assert "checked" in inputs["form.urgent"]
    assert [each["value"] for each in shown.all("option")] == ["", "low", "2", "null"]
    values = {"form_token": lab.form_token(path, path), "decision": "approved"}
    is_problem(lab.form(path, {**values, "form.level": "2"}), 422, "R416")
    is_problem(lab.form(path, {**values, "form.reason": "so", "form.level": "high"}), 422, "R416")
    is_problem(lab.form(path, {**values, "form.reason": "so", "form.share": "nan"}), 422, "S707")
    is_problem(lab.form(path, {**values, "form.reason": "so", "form.tags": "[NaN]"}), 422, "S707")
    filled = {"form.reason": "so", "form.level": "2", "form.share": "0.5", "form.tags": '["a"]'}
    assert lab.form(path, {**values, **filled}).status_code == 303
    expected = {"reason": "so", "level": 2, "share": 0.5, "tags": ["a"], "urgent": False}
    assert lab.finished(run)["output"] == expected


def test_rejecting_needs_no_form(lab: Lab) -> None:
    path = f"/approvals/{lab.approval_of(lab.start('fills', {}))}"
    values = {"form_token": lab.form_token(path, path), "decision": "rejected", "form.share": "much"}
    assert lab.form(path, values).status_code == 303


@pytest.mark.parametrize(
    ("value", "parts"),
    [
        (None, []),
        ("a text", [Shown("", "a text", [])]),
        (["a", 2], [Shown("", "a", []), Shown("", "2", [])]),
        ({"a": True, "b": "x"}, [Shown("a", "true", []), Shown("b", "x", [])]),
        ({"$file": "s3:x/key", "name": "cat"}, [Shown("", "cat (s3:x/key)", [])]),
    ],
)
def test_values_are_shown_as_text(value: object, parts: list[Shown]) -> None:
    assert shown_parts(value) == parts


@pytest.fixture
def held(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """Signals are stored, and no run is told of them."""
    monkeypatch.setattr(lab.engine.runner, "wake", lambda run_id: None)
    monkeypatch.setattr(lab.store, "signalled_runs", lambda limit: [])
    return lab


@pytest.mark.parametrize("decision", ["approved", "rejected"])
def test_a_decision_that_is_not_taken_in_yet_is_shown_as_recorded(held: Lab, decision: str) -> None:
    run, other = held.start("asks", {"question": "Well?"}), held.start("asks", {"question": "And here?"})
    path = f"/approvals/{held.approval_of(run)}"
    token = held.form_token(path, path)
    values = {"form_token": token, "decision": decision}
    assert held.form(path, values, Authorization=basic("ada", TOKEN)).status_code == 303
    for shown in (page(held, path), page(held, "/approvals")):
        assert f"The decision of operator:ada is recorded: {decision}." in shown.shown
        assert path not in [form.get("action") for form in shown.all("form")]
    assert [each["content"] for each in page(held, path).all("meta") if each.get("http-equiv") == "refresh"]
    assert "recorded" not in page(held, f"/approvals/{held.approval_of(other)}").shown


def test_a_decision_that_is_taken_in_is_no_longer_recorded_only(lab: Lab) -> None:
    run = lab.start("asks", {"question": "Well?"})
    path = f"/approvals/{lab.approval_of(run)}"
    lab.form(path, {"form_token": lab.form_token(path, path), "decision": "approved"})
    lab.finished(run)
    shown = page(lab, path).shown
    assert "approved" in shown
    assert "recorded" not in shown


def test_requests_that_are_not_taken_in_yet_are_shown_at_the_run(held: Lab) -> None:
    run = held.start("callback", {})
    action = f"/runs/{run}/cancel"
    held.form(action, {"form_token": held.form_token(f"/runs/{run}", action)})
    shown = page(held, f"/runs/{run}")
    assert "request to cancel is recorded" in shown.shown
    assert action not in [form["action"] for form in shown.all("form")]
    failed = held.post("/hooks/fails", {"why": "x"}).get_json()["runs"][0]
    held.finished(failed)
    action = f"/runs/{failed}/resume"
    assert "recorded" not in page(held, f"/runs/{failed}").shown
    held.form(action, {"form_token": held.form_token(f"/runs/{failed}", action)})
    shown = page(held, f"/runs/{failed}")
    assert "request to resume is recorded" in shown.shown
    assert action not in [form["action"] for form in shown.all("form")]


# Artifacts ----------------------------------------------------------------------------------------------


def test_a_kept_file_is_a_download_and_no_page(lab: Lab) -> None:
    content = EVIL.encode()
    stored = lab.engine.artifacts.save(content)
    assert stored.sha256 == hashlib.sha256(content).hexdigest()
    for query, media_type in (
        ("", "application/octet-stream"),
        ("?type=text/html", "application/octet-stream"),
        ("?type=image/svg%2Bxml", "application/octet-stream"),
        ("?type=image/png", "image/png"),
        ("?type=image/png%0d%0aX-Evil: 1", "application/octet-stream"),
    ):
        answer = lab.get(f"/artifacts/{stored.sha256}{query}", Accept=HTML)
        assert answer.data == content
        assert answer.mimetype == media_type
        assert answer.headers["Content-Disposition"].startswith("attachment;")
        assert answer.headers["Content-Security-Policy"].startswith("sandbox")
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert int(answer.headers["Content-Length"]) == len(content)
    assert lab.client.get(f"/artifacts/{stored.sha256}").status_code == 401


@pytest.mark.parametrize("name", ["0" * 64, "../../hookline.db", "..%2f..%2fhookline.db", "A" * 64, "tmp"])
def test_other_files_are_not_given(lab: Lab, name: str) -> None:
    assert lab.get(f"/artifacts/{name}").status_code == 404


def test_files_of_a_run_can_be_downloaded(lab: Lab) -> None:
    sha256 = "a" * 64
    kept = {"$file": f"artifact:{sha256}", "name": EVIL, "mime": "image/png", "sha256": sha256}
    foreign = {"$file": "s3://bucket/key", "name": "x", "sha256": sha256}
    forged = {"$file": "artifact:x", "name": "x", "sha256": "../../etc"}
    value = {"deep": [kept, kept, foreign, forged], "other": "text"}
    assert files_in(value) == [(EVIL, f"/artifacts/{sha256}?type=image/png")]


def test_the_style_sheet_is_there_for_everybody(lab: Lab) -> None:
    answer = lab.client.get("/static/hookline.css")
    assert answer.mimetype == "text/css"
    for name in ("..", "../app.py", "hookline", "HOOKLINE.CSS", "x.css"):
        assert lab.client.get(f"/static/{name}").status_code == 404


# Words ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("end", "words"),
    [
        ("2026-01-01T00:00:00.120Z", "0.12 s"),
        ("2026-01-01T00:03:20.000Z", "3 min 20 s"),
        ("2026-01-01T02:05:00.000Z", "2 h 5 min"),
        (None, ""),
    ],
)
def test_durations_are_for_people(end: str | None, words: str) -> None:
    assert duration({"started_at": "2026-01-01T00:00:00.000Z", "finished_at": end}) == words


def test_long_values_are_cut() -> None:
    text = pretty(["x" * 1000] * 100)
    assert len(text) < 21_000
    assert text.endswith("more characters")


@pytest.mark.parametrize(("count", "words"), [(0, ""), (1, "interrupted once"), (3, "interrupted 3 times")])
def test_a_step_that_was_repeated_after_a_crash_says_so(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, count: int, words: str
) -> None:
    run = lab.start("plain", {"n": 1})
    document = lab.finished(run)
    document["steps"][0]["interruptions"] = count
    monkeypatch.setattr(lab.engine, "run_document", lambda run_id: document)
    shown = page(lab, f"/runs/{run}").shown
    assert words in shown
    assert ("interrupted" in shown) == bool(count)


def test_what_is_not_settled_yet_is_shown(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    run = lab.start("plain", {"n": 1})
    document = lab.finished(run)
    document["steps"][0]["settling"] = [
        {"attempt": 2, "reason": "job 7 to end", "until": "2026-11-20T09:00:00.000Z"}
    ]
    monkeypatch.setattr(lab.engine, "run_document", lambda run_id: document)
    assert "what attempt 2 left is being settled: job 7 to end, next look" in page(lab, f"/runs/{run}").shown


def test_a_run_that_executes_names_its_steps() -> None:
    steps = [{"path": "steps[0]", "id": "a", "status": "running", "waiting_for": None}]
    assert run_in_words({"status": "running", "steps": steps}) == "It is executing a."
    assert "turn" in run_in_words({"status": "queued"})


def test_a_run_that_failed_names_the_step_as_its_author_does() -> None:
    steps = [{"path": "steps[0]", "id": "a", "status": "failed", "waiting_for": None}]
    error = {"step": "steps[0]", "message": "no"}
    assert run_in_words({"status": "failed", "error": error, "steps": steps}) == "It failed at a: no"
    assert run_in_words({"status": "failed", "error": error, "steps": []}) == "It failed at steps[0]: no"


@pytest.mark.parametrize(("kind", "word"), [("action", "next look"), ("approval", "until")])
def test_a_time_is_called_an_end_only_where_it_is_one(kind: str, word: str) -> None:
    waiting = {"kind": kind, "reason": "it", "until": "2026-11-20T09:00:00.000Z"}
    said = step_in_words({"status": "waiting", "waiting_for": waiting})
    assert said == f"waiting: it, {word} 2026-11-20 09:00:00 UTC"


# Starting by hand -----------------------------------------------------------------------------------

MANUAL = {
    "uses": "manual",
    "with": {
        "inputs": {
            "prompt": {"type": "string", "title": "What to draw", "maxLength": 40},
            "count": {"type": "integer", "minimum": 1, "maximum": 4, "default": 2},
            "style": {"enum": ["pencil", "ink"], "default": "ink"},
            "loud": {"type": "boolean"},
        }
    },
}
ECHO_EVENT = {"id": "echo", "uses": "transform", "with": {"event": "{{ trigger }}"}}


def deploy(lab: Lab, name: str, **definition: object) -> None:
    path = lab.project / "workflows" / f"{name}.json"
    path.write_text(
        json.dumps({"name": name, "steps": [ECHO_EVENT], "output": "{{ steps.echo.event }}", **definition})
    )
    loaded = lab.engine.load_files([path])
    assert not loaded.files[0].has_errors, loaded.files[0].diagnostics


def start_by_form(lab: Lab, name: str, **values: str) -> Any:
    path = f"/workflows/{name}/start"
    return lab.form(path, {"form_token": lab.form_token(path, path), **values})


def test_a_workflow_is_started_with_the_form_of_its_manual_trigger(lab: Lab) -> None:
    deploy(lab, "draw", trigger=MANUAL)
    shown = page(lab, "/workflows/draw/start")
    inputs = {each["name"]: each for each in shown.all("input")}
    assert ("required" in inputs["form.prompt"], "required" in inputs["form.count"]) == (True, False)
    assert inputs["form.count"]["value"] == "2"
    assert "What to draw" in shown.shown
    assert any(link["href"] == "/workflows/draw/start" for link in page(lab, "/workflows").all("a"))
    filled = {"form.prompt": "a lighthouse", "form.count": "3", "form.style": "pencil"}
    answer = start_by_form(lab, "draw", **filled)
    assert answer.status_code == 303
    run = answer.headers["Location"].rpartition("/")[2]
    assert lab.finished(run)["output"] == {
        "prompt": "a lighthouse",
        "count": 3,
        "style": "pencil",
        "loud": False,
    }
    for wrong in ({"form.prompt": ""}, {"form.prompt": "x" * 41}, {"form.count": "9"}, {"form.style": "oil"}):
        is_problem(start_by_form(lab, "draw", **{**filled, **wrong}), 422, "R403")
    is_problem(start_by_form(lab, "draw", **{**filled, "form.count": "many"}), 422, "S707")
    assert len(lab.get("/api/v1/runs?workflow=draw").get_json()["runs"]) == 1


def test_programs_and_people_are_asked_and_checked_alike(lab: Lab) -> None:
    deploy(lab, "draw", trigger=MANUAL)
    form = lab.get("/api/v1/workflows/draw").get_json()["form"]
    assert (form["required"], form["event"]) == (["prompt", "loud"], None)
    assert form["properties"] == MANUAL["with"]["inputs"]  # type: ignore[index]
    is_problem(lab.post("/api/v1/runs", {"workflow": "draw", "trigger": {"count": 1}}), 422, "R403")
    started = lab.post("/api/v1/runs", {"workflow": "draw", "trigger": {"prompt": "x", "loud": True}})
    run = started.get_json()["runs"][0]
    assert lab.finished(run)["output"] == {"prompt": "x", "count": 2, "style": "ink", "loud": True}


def test_declared_inputs_are_a_form_too(lab: Lab) -> None:
    inputs = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    deploy(
        lab,
        "counts",
        inputs=inputs,
        steps=[{"id": "echo", "uses": "transform", "with": {"event": "{{ inputs.n }}"}}],
    )
    assert page(lab, "/workflows/counts/start").all("input")[1]["name"] == "form.n"
    answer = start_by_form(lab, "counts", **{"form.n": "7"})
    assert lab.finished(answer.headers["Location"].rpartition("/")[2])["output"] == 7


def test_in_place_of_another_trigger_an_event_is_given(lab: Lab) -> None:
    shown = page(lab, "/workflows/plain/start")
    assert '"text": "hello"' in shown.shown
    answer = start_by_form(lab, "plain", event='{"body": {"x": 1}}')
    assert lab.finished(answer.headers["Location"].rpartition("/")[2])["output"] == {"x": 1}
    is_problem(start_by_form(lab, "plain", event="{"), 422, "S707")
    assert lab.get("/workflows/nowhere/start", Accept=HTML).status_code == 404


def test_looking_at_the_form_starts_nothing_and_a_foreign_one_neither(lab: Lab) -> None:
    page(lab, "/workflows/plain/start")
    is_problem(lab.form("/workflows/plain/start", {"event": "{}", "form_token": "x"}), 403, "S706")
    assert lab.get("/api/v1/runs").get_json()["runs"] == []
