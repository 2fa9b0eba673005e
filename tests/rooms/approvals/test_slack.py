"""Approvals in Slack: whose click counts, what the message says then, and who is told what."""

from __future__ import annotations

import json
import threading
from typing import Any
from urllib.parse import urlencode

import pytest

from hookline.testing.slack import Message

from .conftest import Place, dumped

CHANNEL = [{"connection": "slack", "to": "#moderation"}]
DIRECT = [{"connection": "slack"}]


def buttons(message: Message) -> dict[str, dict[str, Any]]:
    found = [each for block in message.blocks for each in block.get("elements", ()) if "action_id" in each]
    return {each["action_id"].removeprefix("hookline."): each for each in found}


def whispers(place: Place) -> list[tuple[str, str]]:
    """Who was told what, alone."""
    names = {place.slack.user_id(name): name for name in ("ada", "grace", "linus")}
    return [(names[each.seen_by], each.text) for each in place.slack.messages if each.seen_by is not None]


def test_a_click_decides_and_the_message_says_so(place: Place) -> None:
    run = place.go(via=CHANNEL, show={"text": "Hello <!channel>", "n": 3})
    (message,) = place.posted()
    assert message.channel.name == "moderation"
    assert list(buttons(message)) == ["approve", "reject"]
    text = json.dumps(message.blocks)
    assert "*Publish &lt;it&gt;?*" in text
    (shown,) = [b["text"] for b in message.blocks if b.get("text", {}).get("type") == "plain_text"]
    assert shown["text"] == "text: Hello <!channel>\nn: 3", "plain text, in which nobody is mentioned"
    delivery = place.click(message, "approve", "ada")
    assert (delivery.last.status, delivery.last.answer) == (200, b"")
    output = place.end(run)
    assert (output["decision"], output["by"], output["name"]) == ("approved", "ada", "Ada Lovelace")
    (after,) = place.slack.messages
    assert buttons(after) == {}
    assert "approved by Ada Lovelace" in after.text
    assert whispers(place) == []


def test_two_people_press_opposite_buttons_and_both_see_one_decision(place: Place) -> None:
    run = place.go(via=CHANNEL, on_reject="continue")
    (message,) = place.posted()
    start = threading.Barrier(2)

    def press(button: str, user: str) -> None:
        start.wait()
        assert place.click(message, button, user).last.status == 200

    threads = [
        threading.Thread(target=press, args=each) for each in (("approve", "ada"), ("reject", "grace"))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    output = place.end(run)
    loser = "grace" if output["by"] == "ada" else "ada"
    place.until(lambda: whispers(place))
    assert whispers(place) == [(loser, f"This is decided: {output['decision']} by {output['by']}")]
    (after,) = [each for each in place.slack.messages if each.seen_by is None]
    assert f"{output['decision']} by {output['name']}" in after.text


def test_what_slack_sends_again_changes_nothing(place: Place) -> None:
    run = place.go(via=CHANNEL, quorum=2)
    (message,) = place.posted()
    for _ in range(3):
        assert place.click(message, "approve", "ada").last.ok
    assert place.status(run) in ("waiting", "running")
    place.click(message, "approve", "grace")
    assert [each["by"] for each in place.end(run)["decisions"]] == ["ada", "grace"]


def test_a_click_of_somebody_who_was_not_asked_does_nothing(place: Place) -> None:
    run = place.go(via=CHANNEL)
    (message,) = place.posted()
    assert place.click(message, "approve", "linus").last.status == 200
    place.until(lambda: whispers(place))
    assert whispers(place) == [("linus", "You are not among those who were asked")]
    assert place.approval(run).status == "pending"


def test_a_user_group_decides(place: Place) -> None:
    run = place.go(via=DIRECT, who=["slack:@desk"], quorum=2)
    messages = place.posted(2)
    assert {each.channel.name for each in messages} == {"grace", "linus"}, "each alone"
    for message in messages:
        assert place.click(message, "approve", message.channel.name).last.ok
    linus = f"slack:{place.slack.user_id('linus')}"
    assert sorted(each["by"] for each in place.end(run)["decisions"]) == ["grace", linus]
    assert all("approved by" in each.text for each in place.slack.messages)


def test_a_group_that_is_not_there_leaves_an_approval_nobody_could_give(place: Place) -> None:
    run = place.go(via=CHANNEL, who=["slack:@nobody", "ada"])
    assert place.approval(run).data["problems"] == [
        "slack:@nobody could not be looked up: there is no user group '@nobody'"
    ]


def test_a_message_for_one_is_not_answered_by_another(place: Place) -> None:
    run = place.go(via=DIRECT)
    messages = {each.channel.name: each for each in place.posted(2)}
    assert buttons(messages["ada"])["open"]["url"].startswith("https://hooks.example.com/decide/")
    place.click(messages["ada"], "approve", "grace")
    place.until(lambda: whispers(place))
    assert place.approval(run).status == "pending"
    place.click(messages["ada"], "open", "ada")
    assert place.approval(run).status == "pending", "a look decides nothing"
    place.click(messages["ada"], "reject", "ada")
    place.end(run)
    assert place.approval(run).decided_by == "ada"


def test_a_form_is_filled_in_behind_a_link_that_one_person_is_given(place: Place) -> None:
    form = {"type": "object", "properties": {"section": {"enum": ["news", "blog"]}}, "required": ["section"]}
    run = place.go(via=CHANNEL, form=form)
    (message,) = place.posted()
    assert list(buttons(message)) == ["form", "reject"]
    place.click(message, "form", "grace")
    place.until(lambda: whispers(place))
    ((who, text),) = whispers(place)
    assert who == "grace"
    path = text.partition("<https://hooks.example.com")[2].partition("|")[0]
    assert "You decide as <strong>Grace Hopper</strong>" in place.client.get(path).text
    assert place.form(path, decision="approved", **{"form.section": "news"}).status_code == 303
    output = place.end(run)
    assert (output["by"], output["form"]) == ("grace", {"section": "news"})
    assert path.rpartition(".")[2] not in dumped(place)


@pytest.mark.parametrize("forgery", ["signature", "timestamp", "none"])
def test_a_click_that_slack_did_not_sign_is_refused(place: Place, forgery: str) -> None:
    run = place.go(via=CHANNEL)
    (message,) = place.posted()
    value = buttons(message)["approve"]["value"]
    payload = {
        "type": "block_actions",
        "user": {"id": place.slack.user_id("ada")},
        "actions": [{"action_id": "hookline.approve", "value": value}],
    }
    body = urlencode({"payload": json.dumps(payload)}).encode()
    headers = place.slack.outgoing.signed(body, "application/x-www-form-urlencoded")
    if forgery == "signature":
        headers["X-Slack-Signature"] = "v0=" + "0" * 64
    elif forgery == "timestamp":
        headers["X-Slack-Request-Timestamp"] = "1"
    else:
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
    assert place.client.post("/answers/slack", data=body, headers=headers).status_code == 401
    assert place.approval(run).status == "pending"


def test_a_click_with_a_value_of_its_own_making_does_nothing(place: Place) -> None:
    run = place.go(via=CHANNEL)
    approval = place.approval(run).id
    for value in (approval, f"{approval}.", f"{approval}.{'x' * 43}", "", "apr_none.x", "é" * 9):
        payload = {
            "type": "block_actions",
            "user": {"id": place.slack.user_id("ada")},
            "actions": [{"action_id": "hookline.approve", "value": value}],
        }
        body = urlencode({"payload": json.dumps(payload)}).encode()
        headers = place.slack.outgoing.signed(body, "application/x-www-form-urlencoded")
        assert place.client.post("/answers/slack", data=body, headers=headers).status_code == 200
    assert place.approval(run).status == "pending"


def test_other_clicks_are_acknowledged_and_left_alone(place: Place) -> None:
    for payload in (
        {"type": "view_submission"},
        {"type": "block_actions", "actions": [{"action_id": "mine"}]},
    ):
        body = urlencode({"payload": json.dumps(payload)}).encode()
        headers = place.slack.outgoing.signed(body, "application/x-www-form-urlencoded")
        answer = place.client.post("/answers/slack", data=body, headers=headers)
        assert (answer.status_code, answer.data) == (200, b"")


def test_only_connections_that_can_be_answered_have_an_address(place: Place) -> None:
    for name in ("mail", "none", "local_files"):
        assert place.client.post(f"/answers/{name}", data=b"x").status_code == 404


def test_the_address_of_a_trigger_takes_these_clicks_as_well(place: Place) -> None:
    """Slack has one address for all clicks of an app."""
    from hookline.core.plan import compile_plan

    clicks = {"uses": "slack.action", "with": {"path": "clicks"}}
    place.engine.deploy(compile_plan({"name": "clicks", "trigger": clicks, "steps": [{"stop": "seen"}]}))
    run = place.go(via=CHANNEL)
    (message,) = place.posted()
    assert place.click(message, "approve", "ada", "/hooks/clicks").last.status == 200
    assert place.end(run)["by"] == "ada"
    assert place.engine.store.events(None, "clicks", 10, None).rows == []


@pytest.mark.parametrize(("fault", "status"), [("html_500", "unknown"), ("ratelimited", "sent")])
def test_a_message_that_cannot_be_posted_loses_no_approval(place: Place, fault: str, status: str) -> None:
    place.slack.faults.set(fault, times=1, value="0" if fault == "ratelimited" else None)
    run = place.go(via=[*CHANNEL, {"connection": "mail"}])
    told = place.approval(run).data["told"]
    assert told["1/slack/#moderation"]["status"] == status
    assert place.form(place.link("ada"), decision="approved").status_code == 303
    assert place.end(run)["by"] == "ada"


def test_reminders_stand_in_the_thread_of_the_first(place: Place) -> None:
    run = place.go(via=CHANNEL, remind="4h")
    place.posted()
    runner = place.engine.runner
    later = place.engine.clock() + 4 * 3600 + 60
    runner.deliver(lambda: runner._fire(run, ["steps[0]"], later))
    first, second = place.posted(2)[:2]
    assert second.thread_ts == first.ts
    assert second.text.startswith("Still waiting")
    place.click(second, "approve", "ada")
    assert place.end(run)["by"] == "ada"
    assert all(buttons(each) == {} for each in place.slack.messages)
