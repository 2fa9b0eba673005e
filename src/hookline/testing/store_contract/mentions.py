"""Contract: which artifacts anything that is kept refers to."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from hookline.store.port import ApprovalChange, Kept, Prune, PutDefinition, Store

from .kit import START, Contract, Write, accept, advance, chunk, finish, incoming, new_run, signal, summary

__all__ = ["MentionsContract"]


def _digest(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()


def _reference(name: str) -> Any:
    return {"$file": f"artifact:{_digest(name)}", "name": f"{name}.png"}


class MentionsContract(Contract):
    """Wherever a reference stands, it is found."""

    def test_nothing_is_mentioned_in_the_beginning(self, store: Store) -> None:
        found = store.mentions()
        assert (found.digests, found.spilled, found.running_since) == (frozenset(), frozenset(), None)

    def test_every_place_where_a_reference_can_stand(self, store: Store, write: Write) -> None:
        names = (
            *("data", "body", "headers", "filtered", "cursor", "input", "chunk", "output", "error"),
            *("kept", "approval", "signal", "definition", "child"),
        )
        at = {name: _reference(name) for name in names}
        begin = chunk(0, body=json.dumps([["run.created", "", {"input": at["input"]}]]))
        event = incoming(
            "e1",
            new_run("r1", owner="w1", event_id="e1", chunk=begin),
            data={"deep": [{"file": at["data"]}]},
            body=b"\xff\x00" + json.dumps(at["body"]).encode(),
            headers={"x-file": json.dumps(at["headers"])},
        )
        filtered = incoming("e2", state="filtered", data=at["filtered"])
        child_chunk = chunk(0, body=json.dumps([["run.created", "", {"input": at["child"]}]]))
        child = new_run("r2", parent_run="r1", parent_path="steps[0]", chunk=child_chunk)
        write(
            store,
            PutDefinition("v2", "flow", {"steps": [at["definition"]]}, START),
            accept(event, filtered, cursor_of="flow", cursor={"last": at["cursor"]}),
            advance(
                chunk=chunk(1, body=json.dumps([["step.succeeded", "steps[0]", {"output": at["chunk"]}]])),
                summary=summary("waiting", output=at["output"], error={"detail": at["error"]}),
                kept=[Kept("key", at["kept"], START + 1e9)],
                approvals=[ApprovalChange("a1", "steps[1]", "pending", data={"show": at["approval"]})],
                children=[child],
            ),
            signal(body={"file": at["signal"]}),
        )
        expected = {_digest(name): name for name in names}
        found = store.mentions()
        assert [expected[each] for each in expected if each not in found.digests] == []
        assert found.spilled == frozenset()

    def test_a_large_value_is_told_apart(self, store: Store, write: Write) -> None:
        body = json.dumps([["step.succeeded", "steps[0]", {"output": {"$spill": _digest("large")}}]])
        run = new_run("r1", owner="w1", chunk=chunk(0, body=body.replace(": ", ":")))
        write(store, accept(incoming("e1", run, data=_reference("small"))))
        found = store.mentions()
        assert found.spilled == {_digest("large")}
        assert found.digests == {_digest("large"), _digest("small")}

    def test_what_only_looks_like_a_large_value_is_none(self, store: Store, write: Write) -> None:
        # Whoever sends such a thing must not keep everything from being collected.
        alike = {"$spill": _digest("alike")}
        text = json.dumps([["run.created", "", {"trigger": f"$spill {_digest('text')} {json.dumps(alike)}"}]])
        run = new_run("r1", owner="w1", chunk=chunk(0, body=text))
        write(store, accept(incoming("e1", run, data=alike), incoming("e2", state="filtered", data=alike)))
        write(store, advance(summary=summary("waiting", output=alike)), signal(body=alike))
        assert store.mentions().spilled == frozenset()

    def test_what_is_forgotten_is_not_mentioned(self, store: Store, write: Write) -> None:
        run = new_run("r1", owner="w1", event_id="e1")
        write(store, accept(incoming("e1", run, data=_reference("gone"))))
        write(store, finish("r1", at=START))
        assert _digest("gone") in store.mentions().digests
        write(store, Prune("flow", START + 1, None, START))
        assert store.mentions().digests == frozenset()

    def test_since_when_something_is_executed(self, store: Store, write: Write) -> None:
        for number in range(3):
            run = new_run(f"r{number}", owner="w1", at=START + number)
            write(store, accept(incoming(f"e{number}", run)))
        write(
            store,
            advance("r1", summary=summary("running", started_at=START + 20)),
            advance("r2", summary=summary("running", started_at=START + 10)),
            advance("r0", summary=summary("waiting", started_at=START)),
        )
        assert store.mentions().running_since == START + 10
        write(store, finish("r2", 2))
        assert store.mentions().running_since == START + 20
        write(store, finish("r1", 2))
        assert store.mentions().running_since is None
