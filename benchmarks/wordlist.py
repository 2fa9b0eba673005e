"""Milliseconds a check of the word list takes, by the size of the text.

    python benchmarks/wordlist.py [--checks 10000] [--save]

Ordinary text, and the worst: letters that could all be the beginning of a word, written with disguises.
"""

from __future__ import annotations

import argparse
import platform
import time
from collections.abc import Callable

from saved import save

from hookline.engine.loader import import_room

WORDLIST = import_room("actions._moderation.wordlist")
ORDINARY = (
    "Scunthorpe, Penistone and Clitheroe: the assistant passed the classic grass to the cockerel; an analyst "
    "in Essex and Sussex discussed shiitake, Titanic, Dickens, Matsushita, Hitachi, cumulus, therapist. "
)
WORST = "f u c a$$h0l m0therfuck n1gg k1ll y0ursel ѕһі "
SIZES = (6_000, 12_000, 24_000, 48_000, 96_000)


def text_of(source: str, size: int) -> str:
    return (source * (size // len(source) + 1))[:size]


def seconds(action: Callable[[], object]) -> float:
    begin = time.perf_counter()
    action()
    return time.perf_counter() - begin


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--checks", type=int, default=10_000)
    parser.add_argument("--save", action="store_true", help="keep the figures in benchmarks/results")
    given = parser.parse_args()
    checks: int = given.checks
    found: dict[str, float] = {}
    entries = WORDLIST.default_entries()
    print(f"Python {platform.python_version()} on {platform.machine()}, milliseconds per check, best of 20")
    for title, source in (("ordinary", ORDINARY), ("worst", WORST)):
        figures = []
        for size in SIZES:
            text = text_of(source, size)
            figures.append(
                min(seconds(lambda text=text: WORDLIST.assess_text(text, entries)) for _ in range(20))
            )
        shown = "  ".join(
            f"{size // 1000} KB {each * 1e3:.2f}" for size, each in zip(SIZES, figures, strict=True)
        )
        for size, each in zip(SIZES, figures, strict=True):
            found[f"{title} text of {size // 1000} KB, ms"] = round(each * 1e3, 3)
        print(f"{title:10}{shown}   96 KB is {figures[-1] / figures[0]:.1f} times 6 KB (16 would be linear)")
    text = text_of(ORDINARY, 24_000)
    took = seconds(lambda: [WORDLIST.assess_text(text, entries) for _ in range(checks)])
    print(f"{checks} checks of 24 KB in a row: {took:.1f} s, {took / checks * 1e3:.2f} ms each")
    found[f"one of {checks} checks of 24 KB in a row, ms"] = round(took / checks * 1e3, 3)
    if given.save:
        save("wordlist", found)


if __name__ == "__main__":
    main()
