"""Approvals by email: each person gets a link of their own. Opening it decides nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from hookline.sdk import BadInput
from hookline.sdk.approvals import AskContext, Question, shown_text

from .compose import compose, message_id, parse_address

if TYPE_CHECKING:
    from .connector import EmailClient

__all__ = ["ask"]

Json = Any

MAX_SHOWN = 20_000
_STARTS = {"reminder": "Reminder: ", "escalation": "Passed on to you: "}


async def ask(ctx: AskContext, client: EmailClient, question: Question) -> Mapping[str, Json]:
    """Send the question and the link.

    A message that a crash cut off is sent again under the same Message-ID, by which many mailboxes show
    it once; the link in either copy is good.
    """
    if not question.is_private:
        raise BadInput(
            "an email with a link is for one person", hint="leave out `to`: each person is written to"
        )
    sender = parse_address(client.sender, "sender")
    to = parse_address(question.to, "the person's email")
    id = message_id(ctx.key, sender.domain)
    message = compose(
        sender=sender,
        to=[to],
        cc=[],
        reply_to=None,
        subject=(_STARTS.get(question.reason, "") + question.title.strip().partition("\n")[0])[:200],
        text=_text(question),
        html="",
        attachments=[],
        date=ctx.now(),
        id=id,
    )
    refused = await client.smtp.send(sender.addr_spec, [to.addr_spec], message)
    if refused:
        raise BadInput(f"{to.addr_spec} was refused: {next(iter(refused.values()))[:200]}")
    return {"message_id": id}


def _text(question: Question) -> str:
    approve = "Fill in the form and approve, or reject" if question.has_form else "Approve or reject"
    parts = [question.title]
    shown = shown_text(question.show, MAX_SHOWN)
    if shown:
        parts.append(shown)
    parts.append(f"{approve}:\n{question.link}")
    facts = ["This address is yours alone: whoever has it is taken for you. Opening it decides nothing."]
    if question.quorum > 1:
        facts.append(f"{question.quorum} people must approve.")
    if question.cost_usd:
        facts.append(f"The run has cost {question.cost_usd:g} USD so far, an estimate.")
    if question.due_at is not None:
        facts.append(f"Until {question.due_at:%Y-%m-%d %H:%M} UTC.")
    return "\n\n".join([*parts, "\n".join(facts)]) + "\n"
