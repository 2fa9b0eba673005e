"""What `cog.run` says makes steps identical besides their parameters: the model behind the address."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Any

import pytest

from hookline.engine.loader import import_room
from hookline.sdk import ActionError, MalformedOutput, Recorded, Unavailable
from hookline.testing.clock import SystemClock
from hookline.testing.cog import MODELS, CogServer, cog_unavailable_reason
from hookline.testing.fakes import FakeContext, open_connection

from ..driver import Driver

connector = import_room("connectors.cog.connector")

needs_cog = pytest.mark.skipif(cog_unavailable_reason() is not None, reason=str(cog_unavailable_reason()))

STEP = {"input": {"text": "hello"}}


def key_of(base_url: str, **fields: Any) -> Any:
    def connect(ctx: Any) -> Any:
        return connector.connect(ctx, base_url=base_url, **fields)

    async def scenario() -> Any:
        async with Driver(connector.run, STEP, connect, SystemClock()) as driver:
            found = await driver.action.key(driver, **STEP)
            assert not [name for name in driver.boundaries if "PUT" in name or "note" in name]
            return found

    return asyncio.run(scenario())


@needs_cog
def test_a_start_counts_unless_the_model_has_a_name(tmp_path: Path) -> None:
    """The same model, then one with other weights, then one with another schema, at one address."""
    others = tmp_path / "other weights"
    shutil.copytree(MODELS / "shout", others)
    code = (others / "predict.py").read_text("utf-8")
    (others / "predict.py").write_text(code.replace("return text.upper()", "return text.upper() + '!'"))
    seen: list[tuple[Any, Any]] = []
    with CogServer(MODELS / "shout") as server:
        base_url, port = server.base_url, int(server.base_url.rpartition(":")[2])
        seen.append((key_of(base_url), key_of(base_url, model_version="1")))
        assert (key_of(base_url), key_of(base_url, model_version="1")) == seen[0]
        assert key_of(base_url, model_version="2") != seen[0][1]
    for model in (MODELS / "shout", others, MODELS / "tokens"):
        with CogServer(model, port):
            seen.append((key_of(base_url), key_of(base_url, model_version="1")))
    with pytest.raises(Unavailable):
        key_of(base_url, model_version="1")
    unnamed = [str(key) for key, _ in seen]
    assert len(set(unnamed)) == 4
    first, again, weights, schema = (named for _, named in seen)
    assert first == again == weights, "weights do not show: the name is the operator's word"
    assert schema != first


def recorded_key(*answers: Recorded, **fields: Any) -> Any:
    ctx = FakeContext(answers=answers)
    open_connection(connector.cog.connection_type, ctx, base_url="http://cog.internal:5000", **fields)
    return asyncio.run(connector.run.key(ctx, **STEP))


def health(status: str = "READY", started: str | None = "2026-11-18T11:00:00Z", **more: Any) -> Recorded:
    setup = {"status": "succeeded"} | ({"started_at": started} if started else {})
    return Recorded(json={"status": status, "setup": setup, **more}, expect="GET /health-check")


def schema(document: Any) -> Recorded:
    return Recorded(json=document, expect="GET /openapi.json")


NO_SCHEMA = Recorded(status=503, json={"error": "OpenAPI schema not available"}, expect="GET /openapi.json")


def test_what_does_not_change_the_model_does_not_count() -> None:
    one = recorded_key(health(), schema({"info": {"title": "Cog", "version": "1"}, "openapi": "3.0.2"}))
    other = recorded_key(
        health("BUSY"), schema({"openapi": "3.0.2", "info": {"version": "1", "title": "Cog"}})
    )
    assert one == other


def test_every_thing_the_server_tells_counts() -> None:
    coglet = {"version": {"coglet": "0.23.1", "python": "3.11.7"}}
    keys = [
        recorded_key(health(), NO_SCHEMA),
        recorded_key(health(), schema({"openapi": "3.0.2"})),
        recorded_key(health(**coglet), schema({"openapi": "3.0.2"})),
        recorded_key(health(started="2026-11-18T12:00:00Z", **coglet), schema({"openapi": "3.0.2"})),
        recorded_key(health(**coglet), schema({"openapi": "3.0.2"}), model_version="1"),
    ]
    assert len({str(key) for key in keys}) == len(keys)


def test_a_server_that_does_not_say_when_it_started_needs_a_name() -> None:
    with pytest.raises(Unavailable) as caught:
        recorded_key(health(started=None))
    assert "model_version" in caught.value.hint
    assert recorded_key(health(started=None), NO_SCHEMA, model_version="1")["schema"] is None


@pytest.mark.parametrize(
    ("answers", "error"),
    [
        ([health("STARTING")], Unavailable),
        ([health("SETUP_FAILED")], Unavailable),
        ([Recorded(status=502, text="<html>")], Unavailable),
        ([health(), Recorded(status=502, text="<html>")], Unavailable),
        ([health(), Recorded(status=503, text="<html>")], Unavailable),
        ([health(), Recorded(status=504, json={"message": "upstream"})], Unavailable),
        ([health(), Recorded(status=302, headers={"location": "/login"})], MalformedOutput),
        ([health(), Recorded(status=429, json={})], ActionError),
    ],
)
def test_while_it_cannot_be_asked_nothing_is_said(answers: list[Recorded], error: type[ActionError]) -> None:
    with pytest.raises(error):
        recorded_key(*answers, model_version="1")
