"""Approvals in Slack: a message with buttons, clicks that Slack signs, and the message once it is decided.

Source: https://docs.slack.dev/interactivity/handling-user-interaction. Who clicked is Slack's word, and the
signature over the raw bytes makes it believable; whether that person may decide is the engine's to say.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hookline.sdk import BadInput, HookAnswered, HookContext, HookRefused, HookReply, HookRequest
from hookline.sdk.approvals import AskContext, Member, PersonAnswer, Question, QuestionEnded, shown_text
from hookline.sdk.http import raise_for_status

from .app import slack
from .body import read_form, read_json
from .client import SlackClient, text_of
from .limits import check_message, escape, truncate_message
from .signature import check_signature

__all__ = ["read_click"]

Json = Any

APPROVE, REJECT, FORM, OPEN = "hookline.approve", "hookline.reject", "hookline.form", "hookline.open"
"""Values of ``action_id``: no button of anybody else's is named so."""

_DECISIONS: Mapping[str, Any] = {APPROVE: "approved", REJECT: "rejected", FORM: "form"}
_MAX_SHOWN = 2900
_SIGNS = {"approved": "✅", "rejected": "⛔", "expired": "⌛", "canceled": "🚫"}
_DONE = HookReply()
_MAX_MEMBERS = 500


@slack.on_ask
async def ask(ctx: AskContext, client: SlackClient, question: Question) -> Mapping[str, Json]:
    """Post the question with its buttons: to a channel, or to a person alone.

    Slack keeps no key with a message: what a crash cuts off is posted again. Both copies lead to the same
    approval, and both are brought up to date.
    """
    starts = {"reminder": "Still waiting: ", "escalation": "Passed on to you: "}
    title = starts.get(question.reason, "") + question.title
    blocks = [_section(f"*{escape(title)}*")]
    shown = shown_text(question.show, _MAX_SHOWN)
    if shown:
        # Plain text: nothing in it mentions, links or formats.
        blocks.append({"type": "section", "text": {"type": "plain_text", "text": shown, "emoji": False}})
    blocks.append({"type": "context", "elements": [{"type": "plain_text", "text": _facts(question)}]})
    blocks.append({"type": "actions", "elements": _buttons(question)})
    text, blocks, _ = truncate_message(escape(title), blocks)
    check_message(text, blocks)
    previous = question.previous or {}
    arguments = {
        "channel": previous.get("channel") or question.to,
        "thread_ts": previous.get("ts"),
        "reply_broadcast": True if previous.get("ts") else None,
        "text": text,
        "blocks": blocks,
        "unfurl_links": False,
        "unfurl_media": False,
    }
    answer = await client.call("chat.postMessage", arguments, effect="at_least_once")
    return {
        "channel": text_of(answer, "channel", "chat.postMessage"),
        "ts": text_of(answer, "ts", "chat.postMessage"),
    }


def _facts(question: Question) -> str:
    facts = [question.workflow]
    if question.due_at is not None:
        facts.append(f"until {question.due_at:%Y-%m-%d %H:%M} UTC")
    if question.quorum > 1:
        facts.append(f"{question.quorum} people must approve")
    if question.cost_usd:
        facts.append(f"{question.cost_usd:g} USD so far, an estimate")
    return " · ".join(facts)


def _buttons(question: Question) -> list[Json]:
    reject = _button(REJECT, "Reject", question.token, style="danger")
    if question.is_private:
        page = {**_button(OPEN, "Look at it", question.token), "url": question.link}
        if question.has_form:
            return [{**page, "text": {"type": "plain_text", "text": "Fill in and approve"}}, reject]
        return [_button(APPROVE, "Approve", question.token, style="primary"), reject, page]
    if question.has_form:
        return [_button(FORM, "Approve …", question.token, style="primary"), reject]
    return [_button(APPROVE, "Approve", question.token, style="primary"), reject]


def _button(action: str, text: str, value: str, style: str = "") -> dict[str, Json]:
    button = {
        "type": "button",
        "action_id": action,
        "text": {"type": "plain_text", "text": text},
        "value": value,
    }
    return {**button, "style": style} if style else button


def _section(text: str) -> dict[str, Json]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}


@slack.on_ask_end
async def ask_end(ctx: AskContext, client: SlackClient, ended: QuestionEnded) -> None:
    """Take the buttons away and say how it ended."""
    by = f" by {ended.by}" if ended.by else ""
    told = {"expired": "nobody decided in time", "canceled": "not needed any more"}.get(
        ended.outcome, f"{ended.outcome}{by}"
    )
    text = f"{_SIGNS[ended.outcome]} {ended.title}: {told}, {ended.at:%Y-%m-%d %H:%M} UTC"
    blocks = [_section(escape(text))]
    if ended.comment:
        blocks.append(
            {"type": "section", "text": {"type": "plain_text", "text": ended.comment, "emoji": False}}
        )
    text, blocks, _ = truncate_message(escape(text), blocks)
    arguments = {**ended.details, "text": text, "blocks": blocks}
    # A message that somebody deleted needs no news.
    await client.call("chat.update", arguments, effect="idempotent", accept=("message_not_found",))


@slack.on_members
async def members(ctx: AskContext, client: SlackClient, group: str) -> Sequence[Member]:
    """The people of a user group, by its ID (``S…``) or its handle (``@editors``).

    Needs the scope usergroups:read.
    """
    found = await client.call(
        "usergroups.users.list", {"usergroup": await _group_id(client, group)}, effect="read"
    )
    users = found.get("users")
    ids = [each for each in users if isinstance(each, str)] if isinstance(users, list) else []
    if len(ids) > _MAX_MEMBERS:
        raise BadInput(f"the group {group!r} has {len(ids)} people", hint=f"{_MAX_MEMBERS} can be asked")
    return [Member(each) for each in ids]


async def _group_id(client: SlackClient, group: str) -> str:
    if not group.startswith("@"):
        return group
    found = await client.call("usergroups.list", {}, effect="read")
    groups = found.get("usergroups")
    for each in groups if isinstance(groups, list) else ():
        if isinstance(each, Mapping) and each.get("handle") == group[1:] and isinstance(each.get("id"), str):
            return str(each["id"])
    raise BadInput(f"there is no user group {group!r}", hint="write its handle as Slack shows it, or its ID")


@slack.on_answer
def answer(ctx: HookContext, request: HookRequest) -> PersonAnswer | HookAnswered:
    """A click that arrives at ``/answers/<connection>``; other clicks are acknowledged and left alone."""
    check_signature(ctx.connection.signing_secret, request, ctx.now().timestamp())
    payload = read_json(read_form(request).get("payload", ""))
    return read_click(payload) or HookAnswered(_DONE)


def read_click(payload: Mapping[str, Json]) -> PersonAnswer | HookAnswered | None:
    """The answer that a click is; None when it is a click on something else.

    Args:
        payload: Of a request whose signature is right.

    Raises:
        HookRefused: 400: it is a click of ours without what it must have.
    """
    actions = payload.get("actions")
    first = actions[0] if isinstance(actions, list) and actions else None
    if not isinstance(first, Mapping) or payload.get("type") != "block_actions":
        return None
    action = first.get("action_id")
    if action == OPEN:
        return HookAnswered(_DONE)
    decision = _DECISIONS.get(action) if isinstance(action, str) else None
    if decision is None:
        return None
    user = payload.get("user")
    who = user.get("id") if isinstance(user, Mapping) else None
    if not isinstance(who, str) or not who or not isinstance(first.get("value"), str):
        raise HookRefused(400, "the click names no user or no approval", code="C605")
    details = {"response_url": payload.get("response_url")}
    return PersonAnswer(first["value"], who, decision, _DONE, details)


@slack.on_answered
async def answered(ctx: AskContext, client: SlackClient, answer: PersonAnswer, text: str, link: str) -> None:
    """Tell whoever clicked, and nobody else."""
    address = answer.details.get("response_url")
    if not isinstance(address, str) or not client.is_own_address(address):
        return
    shown = escape(text) + (f" <{link}|Open the form>" if link else "")
    body = {"response_type": "ephemeral", "replace_original": False, "text": shown}
    response = await client.plain.request("POST", address, json=body, timeout=10.0)
    raise_for_status(response, effect="idempotent", service="Slack", reason="see the status")
