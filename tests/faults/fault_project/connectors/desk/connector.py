"""Asks people by writing to a file; they answer over HTTP, and are who they say."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hookline.sdk import ConnectionContext, Connector, HookContext, HookReply, HookRequest
from hookline.sdk.approvals import AskContext, PersonAnswer, Question, QuestionEnded

DESK = Path(os.environ["FAULT_LEDGER"]).with_name("desk.jsonl")

desk = Connector("desk", title="Desk")


@desk.connection
def connect(ctx: ConnectionContext) -> str:
    """Open."""
    return "desk"


def write(**line: Any) -> None:
    """One line, whole or not at all."""
    descriptor = os.open(DESK, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(descriptor, json.dumps(line).encode() + b"\n")
    finally:
        os.close(descriptor)


@desk.on_ask
async def ask(ctx: AskContext, client: str, question: Question) -> Mapping[str, Any]:
    """Put it on the desk."""
    write(what="asked", approval=question.approval, to=question.to, token=question.token)
    return {"to": question.to}


@desk.on_ask_end
async def ask_end(ctx: AskContext, client: str, ended: QuestionEnded) -> None:
    """Take it off the desk."""
    write(what="ended", approval=ended.approval, to=ended.to, outcome=ended.outcome, by=ended.by)


@desk.on_answer
def answer(ctx: HookContext, request: HookRequest) -> PersonAnswer:
    """Somebody answered."""
    sent = json.loads(request.body)
    return PersonAnswer(sent["token"], sent["who"], sent["decision"], HookReply(body=b"{}"), {})
