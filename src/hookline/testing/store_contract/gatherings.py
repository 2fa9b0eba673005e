"""Contract: events that wait for others, or for their turn."""

from __future__ import annotations

import dataclasses
from typing import Any

from hookline.store.port import (
    Accept,
    Accepted,
    Dedupe,
    EventFilter,
    Gathering,
    Hold,
    Prune,
    Pruned,
    Release,
    Released,
    Store,
    Throttle,
)

from .kit import START, Contract, Workers, Write, accept, advance, finish, ids, incoming, new_run

__all__ = ["GatheringsContract"]


def hold(gathering: str = "g1", name: str = "n", **more: Any) -> Hold:
    values: dict[str, Any] = {"scope": "flow/0", "version": "v1", "reason": "waits", "longest": 10.0, **more}
    return Hold(gathering, name, **values)


def waiting(event_id: str, at: float = 0.0, gathering: str = "g1", name: str = "n", **more: Any) -> Accept:
    """An event received `at` seconds after the start, that begins the gathering unless one is open."""
    held = hold(gathering, name, **more.pop("hold", {}))
    return accept(incoming(event_id, hold=held, received_at=START + at, data=event_id, **more))


def throttled(number: int, at: float = 0.0, *, queues: bool = True, rate: int = 2) -> Accept:
    """An event that has a turn at most `rate` times within ten seconds."""
    held = hold(f"g{number}", "t") if queues else None
    throttle = Throttle("t", rate, 10.0, held, "too many")
    event = incoming(
        f"e{number}", new_run(f"r{number}"), throttle=throttle, received_at=START + at, data={"n": number}
    )
    return accept(event)


def due(store: Store, at: float) -> list[tuple[str, float, int]]:
    found = store.due_gatherings(START + at, 100)
    return [(gathering.id, gathering.due_at - START, gathering.count) for gathering in found]


class GatheringsContract(Contract):
    """Joined within the unit that stores the event, fixed once due, released once."""

    def test_events_join_the_open_gathering_of_their_name(self, store: Store, write: Write) -> None:
        answers = write(
            store,
            waiting("e1"),
            waiting("e2", 4, "g2"),
            waiting("e3", 4, "g3", name="other"),
            waiting("e4", 9.5, "g4"),
        )
        assert answers == [
            [Accepted("e1", None, "received", START + 10)],
            [Accepted("e2", None, "received", START + 10)],
            [Accepted("e3", None, "received", START + 14)],
            [Accepted("e4", None, "received", START + 10)],
        ]
        assert due(store, 99) == [("g1", 10.0, 3), ("g3", 14.0, 1)]
        assert due(store, 9.9) == []
        assert store.next_gathering() == START + 10
        assert store.gatherings() == 2
        assert [row.data for row in store.gathered("g1", 9)] == ["e1", "e2", "e4"]
        assert ids(store.gathered("g1", 2)) == ["e2", "e4"]
        row = store.event("e2")
        assert row is not None
        assert (row.state, row.reason, row.run_id, row.due_at) == ("received", "waits", None, START + 10)
        assert row.gathering == "g1"

    def test_what_is_due_gets_no_more_events(self, store: Store, write: Write) -> None:
        write(store, waiting("e1"), waiting("e2", 10, "g2"), waiting("e3", 11, "g3"))
        assert due(store, 99) == [("g1", 10.0, 1), ("g2", 20.0, 2)]

    def test_quiet_puts_the_end_off_but_not_for_ever(self, store: Store, write: Write) -> None:
        quiet = {"quiet": 3.0, "longest": 10.0}
        ends = []
        for number, at in enumerate((0, 2, 4, 6, 8, 9.9)):
            (answer,) = write(store, waiting(f"e{number}", at, hold=quiet))
            ends.append(answer[0].due_at - START)
        assert ends == [3, 5, 7, 9, 10, 10]
        assert due(store, 10) == [("g1", 10.0, 6)]

    def test_a_full_one_is_due_at_once(self, store: Store, write: Write) -> None:
        full = {"most": 2}
        write(store, *(waiting(f"e{n}", n, f"g{n}", hold=full) for n in range(5)))
        assert due(store, 4) == [("g0", 1.0, 2), ("g2", 3.0, 2)]
        assert store.gatherings() == 3

    def test_so_is_one_with_too_many_bytes(self, store: Store, write: Write) -> None:
        heavy = {"most_bytes": 8}
        # "e1" is four bytes of JSON.
        write(store, *(waiting(f"e{n}", n, f"g{n}", hold=heavy) for n in range(3)))
        assert due(store, 5) == [("g0", 1.0, 2)]

    def test_the_last_event_says_which_version(self, store: Store, write: Write) -> None:
        write(store, waiting("e1", hold={"key": "k"}), waiting("e2", 1, hold={"version": "v2", "key": "k"}))
        assert store.due_gatherings(START + 99, 9) == [
            Gathering("g1", "flow/0", "v2", "k", START, START + 10, 2)
        ]

    def test_a_release_links_every_event_to_one_run(self, store: Store, write: Write) -> None:
        run = new_run("r1", owner="w1", event_id="e2")
        answers = write(
            store,
            waiting("e1"),
            waiting("e2", 1),
            waiting("x", 1, "g9", "other"),
            Release("g1", 2, run),
            Release("g1", 2, new_run("r2")),
        )
        assert answers[3:] == [Released(True, "r1"), Released(False)]
        assert store.run("r2") is None
        for event_id in ("e1", "e2"):
            row = store.event(event_id)
            assert row is not None
            assert (row.state, row.reason, row.run_id, row.due_at) == ("received", "", "r1", None)
            assert (row.run_status, row.data) == ("running", event_id)
        assert store.history("r1") == [run.chunk]
        assert due(store, 99) == [("g9", 11.0, 1)]
        assert ids(store.gathered("g1", 9)) == ["e1", "e2"], "it is known afterwards what went together"

    def test_a_release_that_has_not_read_all_is_refused(self, store: Store, write: Write) -> None:
        answers = write(
            store,
            waiting("e1"),
            waiting("e2", 1),
            Release("g1", 1, new_run("r1")),
            Release("no such", 1, new_run("r2")),
        )
        assert answers[2:] == [Released(False), Released(False)]
        assert store.run("r1") is None
        assert due(store, 99) == [("g1", 10.0, 2)]

    def test_of_two_workers_one_releases(self, store: Store, workers: Workers, write: Write) -> None:
        other = workers.start("w2")
        write(store, waiting("e1"))
        first = write(store, Release("g1", 1, new_run("r1", owner="w1")))
        second = write(other, Release("g1", 1, new_run("r2", owner="w2")))
        assert (first, second) == ([Released(True, "r1")], [Released(False)])

    def test_after_a_release_the_name_is_free(self, store: Store, write: Write) -> None:
        write(store, waiting("e1"), Release("g1", 1, new_run("r1")), waiting("e2", 1, "g2"))
        assert due(store, 99) == [("g2", 11.0, 1)]

    def test_the_chosen_event_replaces_the_others(self, store: Store, write: Write) -> None:
        write(
            store,
            waiting("e1"),
            waiting("e2", 1),
            waiting("e3", 2),
            Release("g1", 3, new_run("r1"), chosen="e3"),
        )
        rows = [store.event(event_id) for event_id in ("e1", "e2", "e3")]
        assert [(row.state, row.run_id) for row in rows if row] == [
            ("filtered", "r1"),
            ("filtered", "r1"),
            ("received", "r1"),
        ]
        assert rows[0] is not None
        assert "e3" in rows[0].reason

    def test_a_release_without_a_run_says_why(self, store: Store, write: Write) -> None:
        answers = write(store, waiting("e1"), Release("g1", 1, None, reason="the budget is spent"))
        assert answers[1] == Released(True)
        row = store.event("e1")
        assert row is not None
        assert (row.state, row.reason, row.run_id, row.due_at) == (
            "filtered",
            "the budget is spent",
            None,
            None,
        )

    def test_a_release_may_not_overlap(self, store: Store, write: Write) -> None:
        units = [
            waiting("e1"),
            accept(incoming("x", new_run("x"))),
            Release("g1", 1, new_run("r1"), skip_if_open=True),
        ]
        assert write(store, *units)[2] == Released(True)
        row = store.event("e1")
        assert row is not None
        assert row.state == "filtered"
        assert "overlap" in row.reason

    def test_a_duplicate_does_not_join(self, store: Store, write: Write) -> None:
        key = Dedupe("hook", "k", START + 100)
        answers = write(store, waiting("e1", dedupe=key), waiting("e2", 1, dedupe=key))
        assert answers[1] == [Accepted("e1", None, "duplicate")]
        assert due(store, 99) == [("g1", 10.0, 1)]

    def test_a_filtered_event_does_not_join(self, store: Store, write: Write) -> None:
        write(store, waiting("e1", state="filtered", reason="no"))
        assert store.gatherings() == 0

    def test_a_unit_that_fails_leaves_no_gathering(self, store: Store, write: Write) -> None:
        write(store, accept(incoming("e1", new_run("r1"))))
        one = incoming("e2", hold=hold(), data=1)
        write(store, accept(one, incoming("e1", new_run("r2"))))
        assert store.gatherings() == 0
        assert store.event("e2") is None

    # Turns

    def test_what_has_a_turn_starts_at_once_and_the_rest_waits_for_its_own(
        self, store: Store, write: Write
    ) -> None:
        answers = write(store, *(throttled(n) for n in range(5)))
        assert [(answer[0].run_id, answer[0].due_at) for answer in answers] == [
            ("r0", None),
            ("r1", None),
            (None, START + 5),
            (None, START + 10),
            (None, START + 15),
        ]
        assert due(store, 99) == [("g2", 5.0, 1), ("g3", 10.0, 1), ("g4", 15.0, 1)]
        assert [row.data for row in store.gathered("g3", 9)] == [{"n": 3}]
        row = store.event("e0")
        assert row is not None
        assert (row.data, row.due_at) == (None, None), "its run has the event"

    def test_a_turn_that_was_booked_is_taken(self, store: Store, write: Write) -> None:
        write(store, *(throttled(n) for n in range(3)))
        answers = write(store, throttled(3, 5.0), throttled(4, 30.0))
        assert [(answer[0].run_id, answer[0].due_at) for answer in answers] == [
            (None, START + 10),
            ("r4", None),
        ]

    def test_turns_that_have_passed_are_not_made_up_for_at_once(self, store: Store, write: Write) -> None:
        late, turns = START + 1000, Throttle("t", 2, 10.0, hold("x", "t"))
        write(store, *(throttled(n) for n in range(6)))

        def release(number: int, at: float) -> Release:
            return Release(f"g{number}", 1, new_run(f"late{number}"), throttle=turns, now=at)

        answers = write(store, *(release(number, late) for number in (2, 3, 4, 5)))
        assert answers == [Released(True, "late2"), Released(True, "late3"), Released(False), Released(False)]
        assert due(store, 9999) == [("g4", 1005.0, 1), ("g5", 1005.0, 1)]
        # Nor does a new event overtake them by much: the rate is that of all starts together.
        assert write(store, throttled(7, 1000.0))[0][0].due_at == late + 5
        answers = write(store, release(4, late + 5), release(5, late + 5))
        assert answers == [Released(True, "late4"), Released(False)]
        assert due(store, 9999)[-1] == ("g5", 1010.0, 1)

    def test_turns_of_the_past_are_forgotten(self, store: Store, write: Write) -> None:
        """Keys come and go; a rate that holds nobody back any more needs no row."""
        write(store, throttled(1), Prune("flow", None, None, START + 4))
        assert store.next_turn("t") == START + 5
        write(store, Prune("flow", None, None, START + 5))
        assert store.next_turn("t") is None
        assert write(store, throttled(2, 5.0))[0][0].run_id == "r2"

    def test_without_a_queue_what_has_no_turn_is_filtered(self, store: Store, write: Write) -> None:
        answers = write(
            store, *(throttled(n, queues=False) for n in range(4)), throttled(4, 5.0, queues=False)
        )
        assert [answer[0].state for answer in answers] == [
            "received",
            "received",
            "filtered",
            "filtered",
            "received",
        ]
        row = store.event("e3")
        assert row is not None
        assert (row.reason, row.data, row.run_id) == ("too many", {"n": 3}, None)
        assert store.run("r3") is None
        assert store.gatherings() == 0

    # Lists and forgetting

    def test_events_by_what_they_are(self, store: Store, write: Write) -> None:
        write(
            store,
            accept(
                incoming("e1", new_run("r1", owner="w1"), trigger="webhook", key="k"),
                incoming("e2", new_run("r2"), trigger="feed", received_at=START + 5),
                incoming("e3", new_run("r3"), trigger="replay", received_at=START + 9, replay_of="e1"),
                incoming("e4", new_run("r4"), trigger="replay", received_at=START + 9, replay_of="e1"),
                incoming("e5", state="filtered", version="v7"),
            ),
            finish("r1", status="failed"),
        )

        def found(**where: Any) -> list[str]:
            return ids(store.events(None, None, 9, None, EventFilter(**where)).rows)

        assert found(trigger="feed") == ["e2"]
        assert found(key="k") == ["e1"]
        assert found(since=START + 5) == ["e4", "e3", "e2"]
        assert found(since=START + 5, until=START + 9) == ["e2"]
        assert found(run_status="failed") == ["e1"]
        assert found(originals=True) == ["e5", "e2", "e1"]
        row = store.event("e1")
        assert row is not None
        assert row.replays == ("r3", "r4")
        replay, filtered = store.event("e4"), store.event("e5")
        assert replay is not None
        assert filtered is not None
        assert (replay.replay_of, replay.replays, filtered.version) == ("e1", (), "v7")

    def test_what_went_together_is_forgotten_together(self, store: Store, write: Write) -> None:
        write(
            store,
            waiting("e1"),
            waiting("e2", 1),
            Release("g1", 2, new_run("r1", owner="w1", event_id="e2")),
            waiting("e3", 2, "g2"),
            finish("r1"),
        )
        assert write(store, Prune("flow", START + 99, 0, START)) == [Pruned(1, 2)]
        assert store.event("e1") is None
        assert store.event("e3") is not None, "what waits stays, however old"

    def test_events_without_a_run_by_their_own_rules(self, store: Store, write: Write) -> None:
        key = Dedupe("hook", "k", START + 100)
        events = [incoming(f"f{n}", state="filtered", received_at=START + n) for n in range(6)]
        events[0] = incoming("f0", state="filtered", received_at=START, dedupe=key)
        write(store, accept(*events, incoming("e1", new_run("r1", owner="w1"))), finish("r1"))

        def left() -> list[str]:
            return ids(store.events("filtered", None, 9, None).rows)

        assert write(store, Prune("flow", START + 99, 9, START, events_before=START + 2)) == [Pruned(1, 2)]
        assert left() == ["f5", "f4", "f3", "f2"]
        assert write(store, Prune("flow", None, None, START, keep_events=3)) == [Pruned(0, 1)]
        assert write(store, Prune("flow", None, None, START, keep_events=0, limit=2)) == [Pruned(0, 2)]
        assert left() == ["f5"]
        assert store.seen("hook", ["k"]) == {"k"}, "a key outlives its event"

    # Taken in by a run's turn

    def test_a_turn_takes_events_in(self, store: Store, write: Write) -> None:
        followed = incoming("e2", new_run("r2", owner="w1", event_id="e2"), key="k")
        late = incoming("e3", new_run("r3"), key="k")
        answers = write(
            store,
            accept(incoming("e1", new_run("r1", owner="w1"))),
            advance("r1", 1, events=[followed]),
            advance("r1", 2, events=[late]),
            advance("r1", 9, events=[incoming("e4", new_run("r4"))]),
        )
        assert answers[1:3] == [True, True]
        assert store.run("r3") is None, "the key was had"
        assert store.event("e4") is None, "the turn was refused"
        rows = [store.event("e2"), store.event("e3")]
        assert [(row.state, row.run_id) for row in rows if row] == [("received", "r2"), ("duplicate", None)]

    def test_so_does_the_first_turn_of_a_run(self, store: Store, write: Write) -> None:
        turn = finish("r1", 1, events=[incoming("e2", hold=hold(), data=1)])
        first = new_run("r1", owner="w1", turn=dataclasses.replace(turn, chunk=None))
        write(store, accept(incoming("e1", first)))
        assert due(store, 99) == [("g1", 10.0, 1)]
