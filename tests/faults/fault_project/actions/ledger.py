"""Actions against a service that keeps a ledger: one line for every request it got."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Annotated, Any

from hookline.sdk import Context, Field, Unavailable, action

LEDGER = Path(os.environ["FAULT_LEDGER"])

Value = Annotated[Any, Field("Comes back.")]


def enter(ctx: Context, kind: str) -> None:
    """One request reaches the service. A line is written whole or not at all."""
    line = {"kind": kind, "key": ctx.idempotency_key, "run": ctx.run_id, "step": ctx.step}
    descriptor = os.open(LEDGER, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(descriptor, json.dumps(line).encode() + b"\n")
    finally:
        os.close(descriptor)


def keys_of(kind: str) -> set[str]:
    lines = LEDGER.read_text().splitlines() if LEDGER.exists() else []
    return {entry["key"] for entry in map(json.loads, lines) if entry["kind"] == kind}


@action("ledger.read", effect="read", summary="Read")
async def read(ctx: Context, value: Value = None) -> Any:
    """Read something"""
    enter(ctx, "read")
    return {"value": value}


@action("ledger.idempotent", effect="idempotent", summary="Did it")
async def idempotent(ctx: Context, value: Value = None) -> Any:
    """Do something under a key"""
    enter(ctx, "idempotent")
    return {"value": value}


@action("ledger.once", effect="at_least_once", summary="Did it")
async def once(ctx: Context, value: Value = None) -> Any:
    """Do something without a key"""
    enter(ctx, "once")
    return {"value": value}


@action("ledger.blocking", effect="idempotent", summary="Did it")
def blocking(ctx: Context, value: Value = None) -> Any:
    """Do something in a thread"""
    enter(ctx, "idempotent")
    return {"value": value}


@action("ledger.check", effect="check", summary="Did it")
async def check(ctx: Context, value: Value = None) -> Any:
    """Do something that can be looked up"""
    await ctx.note(intent=ctx.idempotency_key)
    enter(ctx, "check")
    return {"value": value}


@check.on_lookup
async def look_up(ctx: Context, value: Any = None) -> Any:
    return {"value": value} if ctx.idempotency_key in keys_of("check") else None


@action("ledger.flaky", effect="idempotent", summary="Did it")
async def flaky(ctx: Context, value: Value = None) -> Any:
    """Fail at the first attempt"""
    if ctx.attempt == 1:
        raise Unavailable("not now")
    enter(ctx, "idempotent")
    return {"value": value}


@action("ledger.file", effect="idempotent", summary="Kept a file")
async def file(ctx: Context, text: Annotated[str, Field("What is in it.")]) -> Any:
    """Keep a file"""
    kept = await ctx.files.save(text.encode(), name="a.txt")
    return {"file": kept.to_json()}


@action("ledger.gate", effect="idempotent", summary="Went through")
async def gate(ctx: Context, path: Annotated[str, Field("File that opens the gate.")]) -> Any:
    """Wait for a file to be there"""
    enter(ctx, "idempotent")
    while not os.path.exists(path):  # noqa: ASYNC110, ASYNC240
        await asyncio.sleep(0.5)
    return {}
