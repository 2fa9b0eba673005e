"""How good a policy is: labelled examples, a confusion matrix, and a curve over thresholds."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from hookline.sdk import BadInput
from hookline.sdk.moderation import CATEGORIES, Assessment, Finding
from hookline.sdk.policies import Policy, applied
from hookline.sdk.verdicts import is_verdict, judge, rejudge

__all__ = [
    "ACTIONS",
    "LabelledExample",
    "Point",
    "as_csv",
    "as_text",
    "confusion",
    "curve",
    "document",
    "plot",
    "read_examples",
]

Json = Any
Matrix = Mapping[tuple[str, str], int]

ACTIONS: Final = ("allow", "review", "block")
STEPS: Final = 20
"""Thresholds of the curve between 0 and 1."""


@dataclass(frozen=True, slots=True)
class LabelledExample:
    """What should be decided, and what it is decided from.

    Attributes:
        expect: The right action, by a person.
        scores: The highest score of each category that was looked at.
        verdict: The stored verdict, None when only scores are known.
        assessment: The scores as an assessment, None when there is a verdict.
    """

    expect: str
    scores: Mapping[str, float]
    verdict: Mapping[str, Json] | None
    assessment: Assessment | None


@dataclass(frozen=True, slots=True)
class Point:
    """What a threshold finds: of examples that should not be allowed (positive), and of the others."""

    threshold: float
    true_positive: int
    false_positive: int
    false_negative: int
    true_negative: int

    @property
    def precision(self) -> float | None:
        """How many of those found are right; None when nothing is found."""
        found = self.true_positive + self.false_positive
        return self.true_positive / found if found else None

    @property
    def recall(self) -> float | None:
        """How many of the right ones are found; None when there are none."""
        right = self.true_positive + self.false_negative
        return self.true_positive / right if right else None

    @property
    def false_positive_rate(self) -> float | None:
        """How many of the harmless ones are found; None when there are none."""
        harmless = self.false_positive + self.true_negative
        return self.false_positive / harmless if harmless else None


def read_examples(file: Path) -> list[LabelledExample]:
    """The examples of a file, one JSON object a line.

    Raises:
        BadInput: C037, with the line.
    """
    examples = []
    with file.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                value = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise _unreadable(file, number, "it is not JSON") from error
            examples.append(_example(value, file, number))
    if not examples:
        raise _unreadable(file, 1, "there is no example")
    return examples


def _example(value: Json, file: Path, number: int) -> LabelledExample:
    if not isinstance(value, dict) or value.get("expect") not in ACTIONS:
        raise _unreadable(file, number, "expect is none of allow, review and block (at /expect)")
    given = [key for key in ("verdict", "scores", "text") if key in value]
    if len(given) != 1:
        raise _unreadable(file, number, "give exactly one of verdict, scores and text")
    if "verdict" in value:
        if not is_verdict(value["verdict"]):
            raise _unreadable(file, number, "that is no verdict (at /verdict)")
        return LabelledExample(value["expect"], _scores_of(value["verdict"]), value["verdict"], None)
    if "scores" in value:
        scores = value["scores"]
        if not isinstance(scores, dict) or not all(_is_score(each) for each in scores.values()):
            raise _unreadable(file, number, "scores are numbers from 0 to 1 (at /scores)")
        unknown = sorted(set(scores) - set(CATEGORIES))
        if unknown:
            raise _unreadable(file, number, f"{unknown[0]!r} is no category (at /scores)")
        found = Assessment([Finding(name, float(score)) for name, score in scores.items()])
        return LabelledExample(value["expect"], scores, None, found)
    if not isinstance(value["text"], str):
        raise _unreadable(file, number, "the text is none (at /text)")
    found = _looked_at(value["text"])
    return LabelledExample(value["expect"], {each.name: each.score for each in found.findings}, None, found)


def _scores_of(verdict: Mapping[str, Json]) -> dict[str, float]:
    scores: dict[str, float] = {}
    for each in verdict["categories"]:
        if each.get("evaluated") and _is_score(each.get("score")):
            scores[each["name"]] = max(scores.get(each["name"], 0.0), float(each["score"]))
    return scores


def _is_score(value: Json) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1


def _looked_at(text: str) -> Assessment:
    from hookline.engine.loader import import_room

    wordlist = import_room("actions._moderation.wordlist")
    found: Assessment = wordlist.assess_text(text, wordlist.default_entries())
    return found


def _unreadable(file: Path, number: int, why: str) -> BadInput:
    return BadInput(
        f"{file}:{number}: {why}", code="C037", hint='a line is {"expect": "block", "scores": {"hate": 0.9}}'
    )


def confusion(examples: Sequence[LabelledExample], policy: Policy) -> Matrix:
    """How often each expected action became each action."""
    counts: Counter[tuple[str, str]] = Counter()
    for example in examples:
        if example.verdict is not None:
            action, _ = rejudge(example.verdict, policy)
        else:
            assert example.assessment is not None
            on_unsupported = policy.get("on_unsupported", "review")
            action = judge(example.assessment, policy, on_unsupported=on_unsupported).action
        counts[example.expect, action] += 1
    return counts


def curve(examples: Sequence[LabelledExample], category: str | None = None) -> list[Point]:
    """What every threshold finds, by the score of one category or by the highest of all.

    Raises:
        BadInput: C030: there is no such category.
    """
    if category is not None and category not in CATEGORIES:
        raise BadInput(
            f"{category!r} is no category", code="C030", hint=f"categories are {', '.join(CATEGORIES)}"
        )
    scored = [
        (
            example.scores.get(category, 0.0) if category else max(example.scores.values(), default=0.0),
            example.expect != "allow",
        )
        for example in examples
    ]
    points = []
    for step in range(STEPS + 1):
        threshold = step / STEPS
        counts = Counter((score >= threshold, is_positive) for score, is_positive in scored)
        points.append(
            Point(
                threshold, counts[True, True], counts[True, False], counts[False, True], counts[False, False]
            )
        )
    return points


def as_text(matrix: Matrix, points: Sequence[Point]) -> Iterator[str]:
    """The matrix and the curve, for a terminal."""
    total = sum(matrix.values())
    right = sum(number for (expected, action), number in matrix.items() if expected == action)
    missed = sum(n for (expected, action), n in matrix.items() if expected != "allow" and action == "allow")
    yield f"{total} examples, {right} decided as expected ({right / total:.1%}), {missed} wrongly allowed"
    yield ""
    yield "expected   " + "".join(f"{action:>8}" for action in ACTIONS)
    for expected in ACTIONS:
        yield f"{expected:<11}" + "".join(f"{matrix.get((expected, action), 0):>8}" for action in ACTIONS)
    yield ""
    yield "threshold  precision  recall  false positives"
    for point in points:
        bar = "#" * round((point.recall or 0) * 20)
        yield (
            f"{point.threshold:>9.2f}  {_shown(point.precision):>9}  {_shown(point.recall):>6}  "
            f"{_shown(point.false_positive_rate):>15}  {bar}"
        ).rstrip()


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def as_csv(points: Sequence[Point]) -> str:
    """The curve as CSV, with a header."""
    buffer = io.StringIO()
    rows = [_row(point) for point in points]
    writer = csv.DictWriter(buffer, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue()


def _row(point: Point) -> dict[str, Json]:
    rates = {
        "precision": point.precision,
        "recall": point.recall,
        "false_positive_rate": point.false_positive_rate,
    }
    return {**asdict(point), **rates}


def document(matrix: Matrix, points: Sequence[Point], policy: Policy, category: str | None) -> Json:
    """Matrix and curve as JSON."""
    return {
        "schema": "hookline.evaluation/1",
        "policy": applied(policy),
        "examples": sum(matrix.values()),
        "confusion": [
            {"expected": expected, "action": action, "examples": matrix.get((expected, action), 0)}
            for expected in ACTIONS
            for action in ACTIONS
        ],
        "curve_of": category,
        "curve": [_row(point) for point in points],
    }


def plot(points: Sequence[Point], file: Path, title: str) -> None:
    """Draw precision and recall over the threshold.

    Raises:
        BadInput: C038: matplotlib is not installed, or cannot write this kind of file.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise BadInput(
            "a plot needs matplotlib, which is not installed",
            code="C038",
            hint="pip install matplotlib; --csv needs nothing",
        ) from error
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.add_subplot(title=title, xlabel="threshold", ylim=(-0.02, 1.02))
    for name in ("precision", "recall", "false_positive_rate"):
        drawn = [(p.threshold, getattr(p, name)) for p in points if getattr(p, name) is not None]
        axes.plot([x for x, _ in drawn], [y for _, y in drawn], marker=".", label=name.replace("_", " "))
    axes.legend()
    try:
        figure.savefig(file)
    except ValueError as error:
        raise BadInput(
            f"{file.name} is no kind of picture that can be written", code="C038", hint="name it .png or .svg"
        ) from error
