"""Events over the API and on the pages: filtered, and replayed one by one or by the slice."""

from __future__ import annotations

import re
from typing import Any

import pytest
from server_lab import Lab
from test_api import described
from test_hooks import is_problem


def sent(lab: Lab, count: int) -> list[str]:
    events = []
    for number in range(count):
        answer = lab.post("/hooks/plain", {"n": number}).get_json()
        lab.finished(answer["runs"][0])
        events.append(answer["event"])
    return events


def replay(lab: Lab, **body: Any) -> Any:
    return described(lab.post("/api/v1/events/replay", body), "post", "/api/v1/events/replay")


def test_events_are_filtered(lab: Lab) -> None:
    first, second = sent(lab, 2)
    failed = lab.post("/hooks/fails", {"why": "because"}).get_json()
    lab.finished(failed["runs"][0])

    def ids(query: str) -> list[str]:
        answer = described(lab.get(f"/api/v1/events?{query}"), "get", "/api/v1/events")
        return [row["id"] for row in answer["events"]]

    assert ids("workflow=plain") == [second, first]
    assert ids("run_status=failed") == [failed["event"]]
    assert ids("trigger=schedule") == []
    assert ids("key=none") == []
    assert ids("since=2100-01-01T00:00:00Z") == []
    assert len(ids("until=2100-01-01T00:00:00Z&trigger=webhook")) == 3


def test_an_event_is_replayed_once_under_a_name(lab: Lab) -> None:
    (event,) = sent(lab, 1)
    address = f"/api/v1/events/{event}/replay"
    first = described(lab.post(address, {"name": "n"}), "post", "/api/v1/events/{event_id}/replay")
    again = lab.post(address, {"name": "n"})
    assert again.status_code == 200
    assert described(again, "post", "/api/v1/events/{event_id}/replay") == {**first, "duplicate": True}
    shown = described(lab.get(f"/api/v1/events/{event}"), "get", "/api/v1/events/{event_id}")
    assert shown["runs"][1:] == first["runs"]
    assert shown["data"]["body"] == {"n": 0}
    assert lab.get(f"/api/v1/events/{first['event']}").get_json()["replay_of"] == event


def test_a_slice_is_replayed_part_by_part(lab: Lab) -> None:
    events = sent(lab, 3)
    dry = replay(lab, workflow="plain", dry_run=True)
    assert (dry["matched"], dry["events"], dry["started"], dry["left"]) == (3, events, [], 3)
    first = replay(lab, workflow="plain", name="n", limit=2)
    assert [each["event"] for each in first["started"]] == events[:2]
    assert first["left"] == 1
    second = replay(lab, workflow="plain", name="n", limit=2, version="latest")
    assert [each["event"] for each in second["started"]] == events[2:]
    assert (second["left"], second["already"]) == (0, 2)
    assert replay(lab, workflow="plain", name="n")["started"] == []


@pytest.mark.parametrize(
    "body",
    [
        {"workflow": "plain"},
        {"name": "n", "since": "yesterday"},
        {"name": "n", "limit": 0},
        {"name": ""},
        {"name": "n", "state": "no"},
    ],
)
def test_a_slice_that_says_too_little_is_refused(lab: Lab, body: dict[str, Any]) -> None:
    is_problem(lab.post("/api/v1/events/replay", body), 422)


def test_what_cannot_be_replayed_is_refused(lab: Lab) -> None:
    lab.post("/hooks/signed", {})
    lab.store.flush()
    (row,) = lab.get("/api/v1/events?state=rejected").get_json()["events"]
    is_problem(lab.post(f"/api/v1/events/{row['id']}/replay"), 409, "R418")
    assert "Replay</button>" not in lab.get(f"/events/{row['id']}").text


def test_the_page_of_an_event_has_a_button(lab: Lab) -> None:
    (event,) = sent(lab, 1)
    page = lab.get(f"/events/{event}").text
    (token,) = set(re.findall(r'name="form_token" value="([0-9a-f]+)"', page))
    answer = lab.client.post(
        f"/events/{event}/replay", data={"form_token": token, "version": "latest"}, headers=lab.headers
    )
    assert answer.status_code == 303
    run = answer.headers["Location"].rpartition("/")[2]
    lab.finished(run)
    assert run in lab.get(f"/events/{event}").text
    assert event in lab.get("/events?workflow=plain&trigger=webhook&run_status=succeeded").text
