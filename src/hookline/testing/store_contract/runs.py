"""Contract: runs that go on."""

from __future__ import annotations

from typing import Any

from hookline.store.port import ApprovalChange, Fenced, Kept, Prune, RunFilter, Store, StoreError, Timer

from .kit import (
    START,
    Contract,
    ContractClock,
    Write,
    accept,
    advance,
    chunk,
    finish,
    incoming,
    new_run,
    signal,
    summary,
)

__all__ = ["RunsContract"]


class RunsContract(Contract):
    """Chunks, summaries, children and what else an `Advance` carries."""

    def test_chunks_follow_each_other(self, store: Store, write: Write) -> None:
        answers = write(
            store,
            accept(incoming("e1", new_run("r1", owner="w1"))),
            advance("r1", chunk=chunk(1, count=3, at=START + 1, body='[["a","ä",{}]]')),
            advance("r1", 4),
            advance("r1", None),
            advance("r1", 5),
        )
        assert answers[1:] == [True, True, True, True]
        history = store.history("r1")
        assert [piece.seq for piece in history] == [0, 1, 4, 5]
        assert history[1] == chunk(1, count=3, at=START + 1, body='[["a","ä",{}]]')

    def test_a_gap_or_a_repetition_is_refused(self, store: Store, write: Write) -> None:
        answers = write(
            store,
            accept(incoming("e1", new_run("r1", owner="w1"))),
            advance("r1", 2),
            advance("r1", 1),
            advance("r1", 1, timers={"steps[0]": START}, summary=summary("waiting")),
            advance("r1", 0),
        )
        assert [type(answer) for answer in answers[1:]] == [Fenced, bool, Fenced, Fenced]
        assert [piece.seq for piece in store.history("r1")] == [0, 1]
        assert store.due_timers(START, 9) == []
        row = store.run("r1")
        assert row is not None
        assert row.status == "running"

    def test_the_newest_summary_shows(self, store: Store, write: Write) -> None:
        write(
            store,
            accept(incoming("e1", new_run("r1", owner="w1"))),
            advance("r1", 1, summary=summary("waiting", waiting_for="approval", cost_usd=0.25)),
            advance("r1", 2, summary=summary("running", cost_usd=0.5)),
        )
        row = store.run("r1")
        assert row is not None
        assert (row.status, row.waiting_for, row.cost_usd, row.started_at) == ("running", "", 0.5, START)
        done = summary("failed", START + 5, output={"a": ["ä"]}, error={"code": "E1"}, cost_usd=1.5)
        write(store, advance("r1", 3, owner=None, summary=done, version="v2"))
        row = store.run("r1")
        assert row is not None
        assert (row.status, row.finished_at, row.output, row.error) == (
            "failed",
            START + 5,
            {"a": ["ä"]},
            {"code": "E1"},
        )
        assert (row.owner, row.version, row.cost_usd, row.epoch) == (None, "v2", 1.5, 1)

    def test_a_finished_run_may_go_on_again(self, store: Store, write: Write) -> None:
        answers = write(
            store,
            accept(incoming("e1", new_run("r1", owner="w1"))),
            finish("r1", status="failed"),
            advance("r1", 2, epoch=2),
            advance("r1", 3, expected_epoch=2, epoch=2),
        )
        assert answers[1:] == [True, True, True]
        row = store.run("r1")
        assert row is not None
        assert (row.status, row.finished_at, row.epoch, row.owner) == ("running", None, 2, "w1")
        assert [found.id for found in store.runs(RunFilter(status="running"), 9, None).rows] == ["r1"]
        assert store.runs(RunFilter(status="failed"), 9, None).rows == []
        assert store.open_runs() == 1

    def test_only_the_expected_epoch_writes(self, store: Store, write: Write) -> None:
        answers = write(
            store,
            accept(incoming("e1", new_run("r1", owner="w1"))),
            advance("r1", 1, expected_epoch=0, epoch=1),
            advance("r1", 1, expected_epoch=1, epoch=2),
            advance("r1", 2, expected_epoch=1, epoch=1),
            advance("r1", 2, expected_epoch=2, epoch=2),
            advance("nobody", 1),
        )
        assert [type(answer) for answer in answers[1:]] == [Fenced, bool, Fenced, bool, Fenced]
        assert len(store.history("r1")) == 3

    def test_a_run_that_nobody_owned_is_taken_by_its_epoch(self, store: Store, write: Write) -> None:
        answers = write(
            store,
            accept(incoming("e1", new_run("r1"))),
            advance("r1", 1, expected_epoch=0, epoch=1),
            advance("r1", 1, expected_epoch=0, epoch=1),
        )
        assert [type(answer) for answer in answers[1:]] == [bool, Fenced]
        row = store.run("r1")
        assert row is not None
        assert (row.owner, row.epoch) == ("w1", 1)

    def test_children_and_messages_are_in_the_unit(self, store: Store, write: Write) -> None:
        child = new_run("c1", "sub", parent_run="r1", parent_path="steps[1]", owner="w1")
        answers = write(
            store,
            accept(incoming("e1", new_run("r1", owner="w1"))),
            advance("r1", 1, children=[child], outbox=[signal("c1", "hello", {"n": 1})]),
            finish("c1", outbox=[signal("r1", "c1 done", {"ok": True}, kind="child"), signal("gone", "x")]),
        )
        assert answers[1:] == [True, True]
        row = store.run("c1")
        assert row is not None
        assert (row.parent_run, row.parent_path, row.workflow) == ("r1", "steps[1]", "sub")
        assert [(found.kind, found.body) for found in store.signals("r1")] == [("child", {"ok": True})]
        assert [found.body for found in store.signals("c1")] == [{"n": 1}]

    def test_a_refused_advance_leaves_nothing(self, store: Store, write: Write) -> None:
        """Neither fenced, nor broken by one of its parts."""
        everything: dict[str, Any] = {
            "timers": {"steps[1]": START},
            "approvals": [ApprovalChange("a1", "steps[1]", "pending", {})],
            "outbox": [signal("r1", "k")],
        }
        answers = write(
            store,
            accept(incoming("e1", new_run("r1", owner="w1"))),
            advance("r1", 1, expected_epoch=7, children=[new_run("c1")], **everything),
            advance("r1", 1, children=[new_run("c2"), new_run("r1")], version="v9", **everything),
        )
        assert isinstance(answers[1], Fenced)
        assert isinstance(answers[2], StoreError)
        assert store.run("c1") is None
        assert store.run("c2") is None
        assert store.due_timers(START + 9, 9) == []
        assert store.approval("a1") is None
        assert store.signals("r1") == []
        assert len(store.history("r1")) == 1
        row = store.run("r1")
        assert row is not None
        assert row.version == "v1"

    def test_who_knows_an_older_history_gives_nothing_up_though_the_epoch_is_the_same(
        self, store: Store, write: Write
    ) -> None:
        """Two workers that raised the same epoch: the one who was refused must not write what it knew."""
        write(store, accept(incoming("e1", new_run("r1", owner="w1"))))
        answers = write(
            store,
            advance("r1", 1, owner=None, summary=summary("waiting", cost_usd=0.5)),
            advance("r1", None, owner=None, length=1, summary=summary("waiting", cost_usd=0.0)),
            advance("r1", None, owner=None, length=2, summary=summary("waiting", cost_usd=0.5)),
        )
        assert isinstance(answers[1], Fenced)
        assert answers[2] is True
        row = store.run("r1")
        assert row is not None
        assert row.cost_usd == 0.5

    def test_after_a_broken_advance_the_next_one_is_refused_too(self, store: Store, write: Write) -> None:
        answers = write(
            store,
            accept(incoming("e1", new_run("r1", owner="w1"))),
            advance("r1", 1, children=[new_run("r1")]),
            advance("r1", 2),
        )
        assert isinstance(answers[1], StoreError)
        assert isinstance(answers[2], Fenced), "or the history would have a gap"

    def test_timers_are_set_moved_and_removed(self, store: Store, write: Write) -> None:
        assert store.next_timer() is None
        write(
            store,
            accept(incoming("e1", new_run("r1", owner="w1")), incoming("e2", new_run("r2", owner="w1"))),
            advance("r1", 1, timers={"a": START + 5, "b": START + 3}),
            advance("r2", 1, timers={"a": START + 4}),
            advance("r1", 2, timers={"a": START + 9, "b": None, "never": None}),
            advance("r1", 3, timers={"c": START + 1}),
        )
        assert store.next_timer() == START + 1
        assert [store.next_timer(START + after) for after in (0.5, 1, 99)] == [START + 1, START + 4, None]
        assert store.due_timers(START + 4, 9) == [Timer("r1", "c", START + 1), Timer("r2", "a", START + 4)]
        assert store.due_timers(START + 99, 2) == [Timer("r1", "c", START + 1), Timer("r2", "a", START + 4)]
        assert store.due_timers(START, 9) == []

    def test_clearing_timers_comes_before_setting_them(self, store: Store, write: Write) -> None:
        write(
            store,
            accept(incoming("e1", new_run("r1", owner="w1")), incoming("e2", new_run("r2", owner="w1"))),
            advance("r1", 1, timers={"a": START + 5, "b": START + 6}),
            advance("r2", 1, timers={"a": START + 7}),
            advance("r1", 2, timers={"c": START + 8}, clear_timers=True),
        )
        assert store.due_timers(START + 99, 9) == [Timer("r2", "a", START + 7), Timer("r1", "c", START + 8)]
        write(store, advance("r1", 3, timers={"d": START + 1}), advance("r1", 4, clear_timers=True))
        assert store.due_timers(START + 99, 9) == [Timer("r2", "a", START + 7)]

    def test_approvals_open_and_close_once(
        self, store: Store, write: Write, contract_clock: ContractClock
    ) -> None:
        opened = ApprovalChange("a1", "steps[1]", "pending", {"title": "ok?"}, due_at=START + 60)
        write(
            store,
            accept(incoming("e1", new_run("r1", "review", owner="w1"))),
            advance("r1", 1, approvals=[opened]),
        )
        found = store.approval("a1")
        assert found is not None
        assert (found.run_id, found.path, found.workflow, found.status) == (
            "r1",
            "steps[1]",
            "review",
            "pending",
        )
        assert (found.data, found.requested_at, found.due_at) == ({"title": "ok?"}, START, START + 60)
        contract_clock.now = START + 5
        write(
            store,
            advance("r1", 2, approvals=[ApprovalChange("a1", "steps[1]", "approved", decided_by="ann")]),
            advance("r1", 3, approvals=[ApprovalChange("a1", "steps[1]", "expired")]),
            advance("r1", 4, approvals=[opened, ApprovalChange("unknown", "steps[1]", "canceled")]),
        )
        found = store.approval("a1")
        assert found is not None
        assert (found.status, found.decided_by, found.decided_at) == ("approved", "ann", START + 5)
        assert (found.data, found.requested_at) == ({"title": "ok?"}, START)
        assert store.approval("unknown") is None

    def test_what_is_known_of_an_approval_changes_until_it_is_closed_otherwise(
        self, store: Store, write: Write, contract_clock: ContractClock
    ) -> None:
        write(
            store,
            accept(incoming("e1", new_run("r1", owner="w1"))),
            advance(
                "r1", 1, approvals=[ApprovalChange("a1", "p", "pending", {"told": 0}, due_at=START + 60)]
            ),
        )
        contract_clock.now = START + 5
        write(store, advance("r1", 2, approvals=[ApprovalChange("a1", "p", "pending", {"told": 1})]))
        found = store.approval("a1")
        assert found is not None
        assert (found.data, found.requested_at, found.due_at) == ({"told": 1}, START, START + 60)
        write(
            store,
            advance("r1", 3, approvals=[ApprovalChange("a1", "p", "rejected", {"told": 2}, None, "ann")]),
            advance("r1", 4, approvals=[ApprovalChange("a1", "p", "rejected", {"told": 3}, None, "bob")]),
            advance("r1", 5, approvals=[ApprovalChange("a1", "p", "expired", {"told": 4})]),
            advance("r1", 6, approvals=[ApprovalChange("a1", "p", "pending", {"told": 5})]),
        )
        found = store.approval("a1")
        assert found is not None
        assert (found.data, found.status, found.decided_by) == ({"told": 3}, "rejected", "ann")

    def test_an_approval_may_open_and_close_in_one_group(self, store: Store, write: Write) -> None:
        write(
            store,
            accept(incoming("e1", new_run("r1", owner="w1"))),
            advance("r1", 1, approvals=[ApprovalChange("a1", "p", "pending", {})]),
            advance("r1", 2, approvals=[ApprovalChange("a1", "p", "canceled")]),
        )
        found = store.approval("a1")
        assert found is not None
        assert found.status == "canceled"

    def test_outputs_are_kept_for_a_time(self, store: Store, write: Write) -> None:
        write(store, accept(incoming("e1", new_run("r1", owner="w1"))))
        assert store.kept("k", START) is None
        write(store, advance("r1", 1, kept=[Kept("k", {"n": 1}, START + 10), Kept("l", None, START + 10)]))
        assert store.kept("k", START) == Kept("k", {"n": 1}, START + 10)
        assert store.kept("l", START) == Kept("l", None, START + 10)
        assert store.kept("k", START + 10) is None
        write(store, advance("r1", 2, kept=[Kept("k", "newer", START + 20)]))
        assert store.kept("k", START + 10) == Kept("k", "newer", START + 20)
        fenced = write(store, advance("r1", 3, epoch=9, expected_epoch=8, kept=[Kept("m", 1, START + 20)]))
        assert isinstance(fenced[0], Fenced)
        assert store.kept("m", START) is None
        write(store, Prune("flow", None, None, START + 15))
        assert store.kept("l", START) is None
        assert store.kept("k", START) is not None
