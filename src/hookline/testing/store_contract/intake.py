"""Contract: taking events in."""

from __future__ import annotations

import pytest

from hookline.store.port import Accept, Accepted, Dedupe, Store, StoreError, StoreUnavailable

from .kit import START, Contract, ContractClock, Workers, Write, accept, advance, finish, incoming, new_run

__all__ = ["IntakeContract"]


class IntakeContract(Contract):
    """Events, dedupe keys, baselines, cursors."""

    def test_event_and_run_are_stored_together(self, store: Store, write: Write) -> None:
        run = new_run("r1", event_id="e1", owner="w1")
        event = incoming("e1", run, key="k", headers={"X-A": "ä\0"}, body=b"\x00\xff", data={"n": [1, None]})
        assert write(store, accept(event)) == [[Accepted("e1", "r1", "received")]]

        stored = store.event("e1")
        assert stored is not None
        assert (stored.state, stored.reason, stored.run_id, stored.run_status) == (
            "received",
            "",
            "r1",
            "running",
        )
        assert (stored.dedupe_key, stored.headers, stored.body) == ("k", {"X-A": "ä\0"}, b"\x00\xff")
        assert (stored.data, stored.received_at) == ({"n": [1, None]}, START)
        row = store.run("r1")
        assert row is not None
        assert (row.event_id, row.owner, row.epoch, row.status) == ("e1", "w1", 1, "running")
        assert (row.started_at, row.finished_at, row.output, row.cost_usd) == (None, None, None, 0.0)
        assert store.history("r1") == [run.chunk]

    def test_events_without_a_run_keep_their_state_and_reason(self, store: Store, write: Write) -> None:
        events = [
            incoming("e1", state="filtered", reason="no match"),
            incoming("e2", state="rejected", reason="bad"),
        ]
        assert write(store, accept(*events)) == [
            [Accepted("e1", None, "filtered"), Accepted("e2", None, "rejected")]
        ]
        stored = store.event("e2")
        assert stored is not None
        assert (stored.state, stored.reason, stored.run_id, stored.run_status) == (
            "rejected",
            "bad",
            None,
            None,
        )

    def test_the_same_key_starts_one_run(self, store: Store, write: Write) -> None:
        answers = write(
            store,
            accept(
                incoming("e1", new_run("r1"), key="k"), incoming("e2", new_run("r2"), key="k", body=b"again")
            ),
            accept(incoming("e3", new_run("r3"), key="k")),
            accept(incoming("e4", new_run("r4"), key="other")),
        )
        again = Accepted("e1", "r1", "duplicate")
        assert answers == [
            [Accepted("e1", "r1", "received"), again],
            [again],
            [Accepted("e4", "r4", "received")],
        ]
        assert store.run("r2") is None
        assert store.history("r3") == []
        second = store.event("e2")
        assert second is not None
        assert (second.state, second.run_id, second.body) == ("duplicate", None, None)

    def test_scopes_do_not_meet(self, store: Store, write: Write) -> None:
        one = incoming("e1", new_run("r1"), dedupe=Dedupe("a", "k", START + 9))
        two = incoming("e2", new_run("r2"), dedupe=Dedupe("b", "k", START + 9))
        answers = write(store, accept(one), accept(two))
        assert [answer[0].state for answer in answers] == ["received", "received"]
        assert store.seen("a", ["k", "x"]) == {"k"}
        assert store.seen("c", ["k"]) == set()

    def test_an_expired_key_is_free_again(
        self, store: Store, write: Write, contract_clock: ContractClock
    ) -> None:
        write(store, accept(incoming("e1", new_run("r1"), key="k", ttl=10)))
        contract_clock.now = START + 9.5
        assert store.seen("hook", ["k"]) == {"k"}
        assert write(store, accept(incoming("e2", new_run("r2"), key="k")))[0][0].state == "duplicate"
        contract_clock.now = START + 10
        assert store.seen("hook", ["k"]) == set()
        answers = write(
            store,
            accept(incoming("e3", new_run("r3"), key="k", ttl=50)),
            accept(incoming("e4", new_run("r4"), key="k", ttl=50)),
        )
        assert answers == [[Accepted("e3", "r3", "received")], [Accepted("e3", "r3", "duplicate")]]

    def test_a_key_leads_to_the_run_that_it_started(self, store: Store, write: Write) -> None:
        write(
            store,
            accept(
                incoming("e1", new_run("r1"), key="a"),
                incoming("e2", key="b", state="filtered"),
                baseline=[Dedupe("hook", "c", START + 100)],
            ),
            accept(incoming("e3", new_run("r3"), key="a")),
        )
        assert store.started("hook", ["a", "b", "c", "d"]) == {"a": "r1", "b": None, "c": None}
        assert store.started("other", ["a"]) == {}

    def test_a_baseline_counts_as_seen_and_is_no_event(self, store: Store, write: Write) -> None:
        baseline = [Dedupe("hook", key, START + 100) for key in ("a", "b")]
        write(store, accept(baseline=baseline), accept(incoming("e1", new_run("r1"), key="a")))
        assert store.run("r1") is None
        stored = store.event("e1")
        assert stored is not None
        assert stored.state == "duplicate"
        assert store.seen("hook", ["a", "b", "c"]) == {"a", "b"}

    def test_a_baseline_does_not_replace_the_event_that_has_the_key(self, store: Store, write: Write) -> None:
        answers = write(
            store,
            accept(incoming("e1", new_run("r1"), key="a")),
            accept(baseline=[Dedupe("hook", "a", START + 900)]),
            accept(incoming("e2", new_run("r2"), key="a")),
        )
        assert answers[2] == [Accepted("e1", "r1", "duplicate")]

    def test_baseline_and_event_with_one_key_in_one_unit(self, store: Store, write: Write) -> None:
        unit = accept(incoming("e1", new_run("r1"), key="a"), baseline=[Dedupe("hook", "a", START + 9)])
        again = accept(incoming("e2", new_run("r2"), key="a"))
        assert write(store, unit, again) == [
            [Accepted("e1", "r1", "received")],
            [Accepted("e1", "r1", "duplicate")],
        ]

    def test_the_cursor_is_stored_with_what_was_found(self, store: Store, write: Write) -> None:
        assert store.cursor("flow/t") is None
        write(store, accept(incoming("e1", new_run("r1")), cursor_of="flow/t", cursor={"page": 1}))
        write(store, accept(cursor_of="other", cursor=[1]), accept(cursor_of="flow/t", cursor={"page": 2}))
        assert store.cursor("flow/t") == {"page": 2}
        assert store.cursor("other") == [1]

    def test_a_unit_that_breaks_the_rules_is_not_applied_in_part(self, store: Store, write: Write) -> None:
        """And those beside it are."""
        bad = accept(
            incoming("e3", new_run("r3"), key="k3"), incoming("e1", new_run("r4")), cursor_of="c", cursor=7
        )
        answers = write(
            store,
            accept(incoming("e1", new_run("r1", owner="w1"))),
            bad,
            accept(incoming("e5", new_run("r5"))),
            advance("r1"),
        )
        assert answers[0] == [Accepted("e1", "r1", "received")]
        assert isinstance(answers[1], StoreError)
        assert answers[2] == [Accepted("e5", "r5", "received")]
        assert answers[3] is True
        assert store.run("r3") is None
        assert store.run("r4") is None
        assert store.event("e3") is None
        assert store.cursor("c") is None
        assert store.seen("hook", ["k3"]) == set()
        assert len(store.history("r1")) == 2

    def test_a_second_run_of_the_same_id_is_refused(self, store: Store, write: Write) -> None:
        answers = write(
            store, accept(incoming("e1", new_run("r1"))), accept(incoming("e2", new_run("r1", "other")))
        )
        assert isinstance(answers[1], StoreError)
        assert store.event("e2") is None
        row = store.run("r1")
        assert row is not None
        assert row.workflow == "flow"

    @pytest.mark.parametrize(
        "value", [{1, 2}, "\ud800", object()], ids=["a set", "half a character", "an object"]
    )
    def test_what_is_not_json_is_refused_and_hurts_nobody_else(
        self, store: Store, write: Write, value: object
    ) -> None:
        answers = write(
            store,
            accept(incoming("e1", new_run("r1"), data={"value": value})),
            accept(cursor_of="c", cursor=value),
            accept(incoming("e2", new_run("r2"))),
        )
        # A cursor may be kept in a form that has room for half a character.
        assert isinstance(answers[0], StoreError)
        assert isinstance(answers[1], StoreError) or store.cursor("c") == value
        assert answers[2] == [Accepted("e2", "r2", "received")]
        assert store.run("r1") is None

    def test_overlap_skip_starts_nothing_while_a_run_is_open(self, store: Store, write: Write) -> None:
        def tick(number: int, key: str = "") -> Accept:
            run = new_run(f"r{number}", owner="w1")
            return accept(incoming(f"e{number}", run, key=key or f"tick{number}", skip_if_open=True))

        answers = write(store, accept(incoming("e0", new_run("other", "other"))), tick(1), tick(2), tick(3))
        assert [answer[0].state for answer in answers] == ["received", "received", "filtered", "filtered"]
        skipped = store.event("e2")
        assert skipped is not None
        assert skipped.run_id is None
        assert "overlap" in skipped.reason
        answers = write(store, finish("r1"), tick(4), tick(5, key="tick2"))
        assert answers[1][0] == Accepted("e4", "r4", "received")
        assert answers[2][0] == Accepted("e2", None, "duplicate"), "a skipped tick started no run"

    def test_intake_is_refused_at_once_while_nothing_can_be_written(
        self, store: Store, workers: Workers, write: Write
    ) -> None:
        write(store, accept(incoming("e1", new_run("r1", owner="w1"))))
        workers.interrupt()
        kept: list[object] = []
        store.submit(advance("r1", 1), kept.append)
        refused = write(store, accept(incoming("e2", new_run("r2"))), accept(incoming("e3", new_run("r3"))))
        assert [type(answer) for answer in refused] == [StoreUnavailable, StoreUnavailable]
        assert not store.health().ok
        assert store.health().reason
        assert kept == [], "what an accepted run depends on is neither refused nor lost"
        store.submit(advance("r1", 2), kept.append)
        workers.resume()
        store.flush()
        assert kept == [True, True]
        assert store.health().ok
        assert [piece.seq for piece in store.history("r1")] == [0, 1, 2]
        assert write(store, accept(incoming("e2", new_run("r2")))) == [[Accepted("e2", "r2", "received")]]
