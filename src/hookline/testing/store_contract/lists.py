"""Contract: lists in pages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from hookline.store.port import ApprovalChange, Page, RunFilter, Store

from .kit import START, Contract, Write, accept, advance, finish, ids, incoming, new_run, summary

__all__ = ["ListsContract"]


def _all_pages(read: Callable[[str | None], Page], between: Callable[[], None] = lambda: None) -> list[str]:
    found: list[str] = []
    cursor: str | None = None
    while True:
        page = read(cursor)
        found += ids(page.rows)
        if page.next is None:
            return found
        assert page.rows, "a page that has a next one is not empty"
        cursor = page.next
        between()


class ListsContract(Contract):
    """Filters, cursors, and rows that come while someone pages."""

    def test_runs_newest_first_with_filters(self, store: Store, write: Write) -> None:
        statuses = ["succeeded", "failed", "running", "waiting", "queued", "canceled"]
        for number, status in enumerate(statuses * 2):
            queued: dict[str, Any] = (
                {"status": "queued", "concurrency_key": "k"} if status == "queued" else {}
            )
            run = new_run(f"r{number:02}", f"flow{number % 2}", START + number, owner="w1", **queued)
            write(store, accept(incoming(f"e{number}", run)))
            if status in ("succeeded", "failed", "canceled"):
                write(store, finish(run.id, status=status))
            elif status == "waiting":
                write(store, advance(run.id, 1, owner=None, summary=summary("waiting")))

        def found(**where: Any) -> list[str]:
            def read(size: int) -> list[str]:
                return _all_pages(lambda cursor: store.runs(RunFilter(**where), size, cursor))

            pages = [read(size) for size in (1, 2, 50)]
            assert pages[0] == pages[1] == pages[2]
            return pages[0]

        assert found() == [f"r{number:02}" for number in range(11, -1, -1)]
        assert found(workflow="flow1") == ["r11", "r09", "r07", "r05", "r03", "r01"]
        for number, status in enumerate(statuses):
            assert found(status=status) == [f"r{number + 6:02}", f"r{number:02}"]
        assert found(status="failed", workflow="flow1") == ["r07", "r01"]
        assert found(status="failed", workflow="flow0") == []
        assert found(since=START + 9) == ["r11", "r10", "r09"]
        assert found(until=START + 2) == ["r01", "r00"]
        assert found(since=START + 3, until=START + 9, status="waiting") == ["r03"]
        assert found(since=START + 3, until=START + 10, workflow="flow1") == ["r09", "r07", "r05", "r03"]
        assert found(status="no such status") == []

    def test_runs_of_the_same_moment_all_appear_once(self, store: Store, write: Write) -> None:
        write(store, accept(*(incoming(f"e{n}", new_run(f"r{n}")) for n in range(7))))
        assert _all_pages(lambda cursor: store.runs(RunFilter(), 2, cursor)) == [
            f"r{n}" for n in range(6, -1, -1)
        ]

    def test_a_page_that_is_just_full_has_no_next(self, store: Store, write: Write) -> None:
        write(store, accept(*(incoming(f"e{n}", new_run(f"r{n}")) for n in range(2))))
        assert store.runs(RunFilter(), 2, None).next is None
        assert store.runs(RunFilter(), 1, None).next is not None
        assert store.events(None, None, 2, None).next is None

    def test_nothing_is_shown_twice_or_left_out_while_runs_come_and_change(
        self, store: Store, write: Write
    ) -> None:
        write(
            store, accept(*(incoming(f"e{n}", new_run(f"r{n}", at=START + n, owner="w1")) for n in range(8)))
        )
        numbers = iter(range(100))

        def more() -> None:
            number = next(numbers)
            late = incoming(f"late{number}", new_run(f"late{number}", at=START + 100 + number))
            write(store, accept(late), finish(f"r{number}"))

        expected = [f"r{n}" for n in range(7, -1, -1)]
        assert _all_pages(lambda cursor: store.runs(RunFilter(), 3, cursor), more) == expected
        found = _all_pages(lambda cursor: store.events("received", None, 3, cursor), more)
        assert [event for event in found if not event.startswith("late")] == [
            f"e{n}" for n in range(7, -1, -1)
        ]
        assert len(found) == len(set(found))

    def test_events_newest_first_with_filters(self, store: Store, write: Write) -> None:
        write(
            store,
            accept(incoming("e0", new_run("r0", "a"), key="k")),
            accept(incoming("e1", new_run("r1", "a"), key="k"), incoming("e2", new_run("r2", "b"))),
            accept(
                incoming("e3", state="filtered", workflow="b"), incoming("e4", state="rejected", workflow="a")
            ),
        )

        def found(state: str | None = None, workflow: str | None = None) -> list[str]:
            return _all_pages(lambda cursor: store.events(state, workflow, 1, cursor))

        assert found() == ["e4", "e3", "e2", "e1", "e0"]
        assert found("received") == ["e2", "e0"]
        assert found("duplicate") == ["e1"]
        assert found("rejected", "b") == []
        assert found(workflow="a") == ["e4", "e1", "e0"]
        assert found("received", "b") == ["e2"]
        write(store, accept(incoming("e5", new_run("r5", "c"), body=b"large")))
        assert [row.body for row in store.events(None, "c", 9, None).rows] == [None]
        row = store.events("received", "b", 9, None).rows[0]
        assert (row.run_id, row.run_status, row.trigger) == ("r2", "running", "webhook")

    def test_approvals_newest_first_with_a_filter(self, store: Store, write: Write) -> None:
        write(
            store,
            accept(incoming("e1", new_run("r1", owner="w1"))),
            advance("r1", 1, approvals=[ApprovalChange(f"a{n}", "p", "pending", {"n": n}) for n in range(5)]),
            advance("r1", 2, approvals=[ApprovalChange("a3", "p", "rejected", decided_by="bo")]),
        )

        def found(status: str | None) -> list[str]:
            return _all_pages(lambda cursor: store.approvals(status, 2, cursor))

        assert found(None) == ["a4", "a3", "a2", "a1", "a0"]
        assert found("pending") == ["a4", "a2", "a1", "a0"]
        assert found("rejected") == ["a3"]
        assert found("approved") == []

    @pytest.mark.parametrize("cursor", ["x", "", "1e999_1", "nan_1", "5_", "-1", "１"])
    def test_a_made_up_cursor_is_refused(self, store: Store, cursor: str) -> None:
        with pytest.raises(ValueError, match="no cursor"):
            store.runs(RunFilter(), 5, cursor)
        if "_" not in cursor:
            with pytest.raises(ValueError, match="no cursor"):
                store.events(None, None, 5, cursor)
            with pytest.raises(ValueError, match="no cursor"):
                store.approvals(None, 5, cursor)
