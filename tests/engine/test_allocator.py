"""The allocator is told once, and not against what the operator says."""

from __future__ import annotations

from hookline.engine.allocator import few_arenas


def test_threads_share_heaps() -> None:
    told: list[tuple[int, int]] = []

    def mallopt(name: int, value: int) -> int:
        told.append((name, value))
        return 1

    assert few_arenas({}, mallopt)
    assert told == [(-8, 2)]
    assert not few_arenas({"MALLOC_ARENA_MAX": "8"}, mallopt)
    assert len(told) == 1
    assert not few_arenas({}, lambda name, value: 0)


def test_it_does_no_harm_where_nobody_knows_the_word() -> None:
    assert few_arenas({}) in (True, False)
