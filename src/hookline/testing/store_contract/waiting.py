"""Contract: signals, definitions and settings."""

from __future__ import annotations

from hookline.store.port import PutDefinition, Store

from .kit import START, Contract, Workers, Write, accept, advance, finish, incoming, new_run, signal

__all__ = ["WaitingContract"]


class WaitingContract(Contract):
    """What waits for a run, and what is kept beside the runs."""

    def test_signals_are_stored_once_per_key_in_order(self, store: Store, write: Write) -> None:
        answers = write(
            store,
            accept(incoming("e1", new_run("r1", owner="w1")), incoming("e2", new_run("r2", owner="w1"))),
            signal("r1", "b", {"n": 1}),
            signal("r1", "a", [2], kind="cancel", path="", at=START + 2),
            signal("r1", "b", {"n": 3}),
            signal("r2", "b", None),
            signal("nobody", "b", None),
        )
        assert answers[1:] == [True, True, False, True, False]
        found = store.signals("r1")
        assert [(s.kind, s.path, s.body, s.at) for s in found] == [
            ("callback", "steps[0]", {"n": 1}, START),
            ("cancel", "", [2], START + 2),
        ]
        assert [s.body for s in store.signals("r2")] == [None]
        assert store.signals("nobody") == []

    def test_signals_go_with_the_chunk_that_takes_them_in(self, store: Store, write: Write) -> None:
        write(
            store,
            accept(incoming("e1", new_run("r1", owner="w1"))),
            signal("r1", "a", 1),
            signal("r1", "b", 2),
            signal("r1", "c", 3),
        )
        first, second, third = store.signals("r1")
        answers = write(
            store,
            advance("r1", 1, signals=[first.id, third.id]),
            signal("r1", "a", 4),
            signal("r1", "b", 5),
            advance("r1", 7, signals=[second.id]),
        )
        assert answers[1:3] == [True, False], "a key is free again when its signal was taken in"
        assert [s.body for s in store.signals("r1")] == [2, 4]

    def test_a_new_signal_is_newer_than_any_before(self, store: Store, write: Write) -> None:
        write(store, accept(incoming("e1", new_run("r1", owner="w1"))), signal("r1", "a"))
        before = store.signals("r1")[0]
        write(store, advance("r1", 1, signals=[before.id]), signal("r1", "b"))
        assert store.signals("r1")[0].id > before.id

    def test_signals_do_not_hang_on_a_finished_run(self, store: Store, write: Write) -> None:
        """They may come late; whoever owns nothing finds them and takes them in."""
        answers = write(
            store, accept(incoming("e1", new_run("r1", owner="w1"))), finish("r1"), signal("r1", "late")
        )
        assert answers[2] is True
        assert store.signalled_runs(9) == ["r1"]

    def test_signalled_runs_are_ours_or_nobodys(self, store: Store, workers: Workers, write: Write) -> None:
        other = workers.start("w2")
        write(
            store,
            accept(*(incoming(f"e{n}", new_run(f"r{n}", owner=o)) for n, o in enumerate(("w2", "w1", None)))),
            signal("r0", "x"),
            signal("r2", "x"),
            signal("r1", "x"),
            signal("r2", "y"),
        )
        assert store.signalled_runs(9) == ["r2", "r1"]
        assert store.signalled_runs(1) == ["r2"], "those of others do not use up the limit"
        assert other.signalled_runs(9) == ["r0", "r2"]
        workers.kill(other)
        assert store.signalled_runs(9) == ["r0", "r2", "r1"]

    def test_definitions_are_kept_as_they_were_first(self, store: Store, write: Write) -> None:
        assert store.definition("v1") is None
        assert store.last_versions() == {}
        answers = write(
            store,
            PutDefinition("v1", "flow", {"name": "flow", "steps": [{"id": "ä"}]}, START),
            PutDefinition("v1", "flow", {"name": "changed"}, START + 1),
            PutDefinition("v2", "flow", {"name": "newer"}, START + 2),
        )
        assert answers == [True, True, True]
        found = store.definition("v1")
        assert found is not None
        assert (found.version, found.workflow, found.at) == ("v1", "flow", START + 1)
        assert found.value == {"name": "flow", "steps": [{"id": "ä"}]}

    def test_the_version_that_was_put_into_force_last_is_known(self, store: Store, write: Write) -> None:
        write(store, PutDefinition("v1", "flow", {}, START), PutDefinition("v2", "flow", {}, START + 1))
        write(store, PutDefinition("x", "other", {}, START))
        assert store.last_versions() == {"flow": "v2", "other": "x"}
        write(store, PutDefinition("v1", "flow", {}, START + 2))
        assert store.last_versions() == {"flow": "v1", "other": "x"}

    def test_a_setting_is_made_once(self, store: Store, workers: Workers) -> None:
        other = workers.start("w2")
        assert store.setting("secret", lambda: "one") == "one"
        assert store.setting("secret", lambda: "two") == "one"
        assert other.setting("secret", lambda: "three") == "one"
        assert other.setting("else", lambda: "four") == "four"
