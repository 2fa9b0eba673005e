"""The decision record of a comparison, as Markdown and as one HTML page.

Everything that a model or an author wrote is text in both: in Markdown it stands in fences or is
escaped, in HTML it is escaped, and the page may load nothing but pictures beside it. Pictures are
copies in the folder of the record. What a person writes between the marks of the decision stays.
"""

from __future__ import annotations

import json
import re
import statistics
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from .model_cases import GIVEN, Case
from .model_comparison import Cell, Comparison, Result
from .output import usd_text

__all__ = ["Record", "as_html", "as_markdown", "kept_decision"]

Json = Any

BEGIN, END = "<!-- decision: what stands here is kept -->", "<!-- end of the decision -->"
_UNDECIDED = "_Not decided yet. Write here which model is taken, for what, and who decided it when._"
_PICTURES = {"image/png", "image/jpeg", "image/gif", "image/webp"}
_SHOWN = 4000
"""Characters of one output in the record; the rest is in the run."""

_COLUMNS = ("model", "realistic inputs", "generated inputs", "median; slowest", "cost, estimated", "failures")
_HEADS = "".join(f'<th scope="col">{name}</th>' for name in _COLUMNS)
_POLICY = "default-src 'none'; img-src 'self' file:; style-src 'unsafe-inline'"
_STYLE = """
:root { color-scheme: light dark; font: 1rem/1.5 system-ui, sans-serif; }
body { margin: 1rem auto; max-width: 90rem; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; table-layout: fixed; }
th, td { border: 1px solid color-mix(in srgb, currentColor 30%, transparent); padding: .4rem .6rem;
  text-align: start; vertical-align: top; overflow-wrap: anywhere; }
pre { white-space: pre-wrap; margin: .25rem 0; max-height: 24rem; overflow: auto; font-size: .875rem; }
img { max-width: 100%; height: auto; }
.failed { color: light-dark(#a3201c, #ff9d96); }
.scroll { overflow-x: auto; }
"""


@dataclass(frozen=True, slots=True)
class Record:
    """What is to be written down.

    Attributes:
        results: By the keys of the cells; a cell without one was not run.
        at: When, RFC 3339.
        pictures: Address, beside the record, of a file's copy by its SHA-256; "" for what has none.
        decision: What a person wrote, in Markdown.
    """

    comparison: Comparison
    cells: Sequence[Cell]
    results: Mapping[str, Result]
    at: str
    address: Callable[[Mapping[str, Json]], str]
    decision: str = ""

    @property
    def cases(self) -> list[Case]:
        """In the order in which they were made."""
        return list({id(cell.case): cell.case for cell in self.cells}.values())

    def cell(self, case: Case, candidate: int) -> Cell | None:
        """None when the case is none for this model."""
        found = (cell for cell in self.cells if cell.case is case and cell.candidate == candidate)
        return next(found, None)

    def of(self, candidate: int, kind: str | None = None) -> list[Result | None]:
        """A model's results; those of one kind of input, or all."""
        return [
            self.results.get(cell.key)
            for cell in self.cells
            if cell.candidate == candidate and kind in (None, cell.case.kind)
        ]


def kept_decision(markdown: str) -> str:
    """What a person wrote into an earlier record; empty when nobody did."""
    found = re.search(f"{re.escape(BEGIN)}\n(.*?)\n{re.escape(END)}", markdown, re.DOTALL)
    return "" if found is None or found[1].strip() == _UNDECIDED else found[1].strip()


@dataclass(frozen=True, slots=True)
class _Summary:
    label: str
    realistic: str
    other: str
    seconds: str
    cost: str
    failures: str


def _summaries(record: Record) -> list[_Summary]:
    found = []
    for place, candidate in enumerate(record.comparison.candidates):
        every = record.of(place)
        ran = [result for result in every if result is not None and result.is_settled]
        given = record.of(place, GIVEN)
        succeeded = [result for result in ran if result.status == "succeeded"]
        times = [result.seconds for result in succeeded if result.seconds is not None]
        costs = [result.cost_usd for result in ran if result.cost_usd is not None]
        types = Counter(result.error_type for result in ran if result.status == "failed")
        found.append(
            _Summary(
                label=candidate.label,
                realistic=_share(given),
                other=_share([result for result in every if result not in given])
                if len(every) > len(given)
                else "none",
                seconds=f"{statistics.median(times):.1f} s; {max(times):.1f} s" if times else "not known",
                cost=_cost(costs, sum(result.cost_usd is None for result in succeeded)),
                failures=", ".join(f"{kind} {number}" for kind, number in types.most_common()) or "none",
            )
        )
    return found


def _share(results: Sequence[Result | None]) -> str:
    ran = [result for result in results if result is not None and result.is_settled]
    good = sum(result.status == "succeeded" for result in ran)
    left = len(results) - len(ran)
    return f"{good} of {len(ran)}" + (f"; {left} not run" if left else "")


def _inputs(number: int) -> str:
    return f"{number} input was" if number == 1 else f"{number} inputs were"


def _cost(costs: Sequence[float], unknown: int) -> str:
    if not costs:
        return "not known"
    known = f"{usd_text(sum(costs))} for {len(costs)}"
    return f"{known}; of {unknown} not known" if unknown else known


def to_validate(record: Record) -> list[str]:
    """What this comparison does not show, and a person has to look into before the model is used."""
    found = ["Whether the outputs are good enough: read them side by side below. Nothing here judges that."]
    number = len([case for case in record.cases if case.kind == GIVEN])
    found.append(
        f"Whether {number} realistic input{'s' if number != 1 else ''} stand for what will come: each was "
        "run once, and a model may answer otherwise the next time."
    )
    for place, candidate in enumerate(record.comparison.candidates):
        every = record.of(place)
        given = record.of(place, GIVEN)
        left = sum(result is None or not result.is_settled for result in every)
        failed = sum(
            result is not None and result.is_settled and result.status == "failed" for result in given
        )
        if left:
            found.append(f"{candidate.label}: {_inputs(left)} not run to an end. Run the comparison again.")
        if failed:
            found.append(f"{candidate.label}: {failed} of the realistic inputs failed. Find out why.")
        if any(
            result is not None and result.status == "succeeded" and result.cost_usd is None
            for result in every
        ):
            found.append(f"{candidate.label}: its price is not known here. Look it up before deciding.")
        taken = sum(
            result is not None and result.status == "succeeded" for result in record.of(place, "malformed")
        )
        if taken:
            found.append(
                f"{candidate.label}: it took {taken} malformed input{'' if taken == 1 else 's'}. "
                "Check inputs before they are sent."
            )
    if any(case.kind == "adversarial" for case in record.cases):
        found.append("Whether any output of an adversarial input did what the input asked for.")
    else:
        found.append("How the models take hostile, odd and oversized inputs: `generate` would try them.")
    found.append("Licence and data policy of each model; costs are estimates, no provider tells charges.")
    return found


# Markdown -----------------------------------------------------------------------------------------------


def as_markdown(record: Record) -> str:
    """The record for a repository."""
    comparison = record.comparison
    lines = [
        f"# {_md(comparison.question)}",
        "",
        f"Comparison `{comparison.name}`, {record.at}. Budget: {comparison.budget:g} USD.",
        "",
        "## Decision",
        "",
        BEGIN,
        record.decision or _UNDECIDED,
        END,
        "",
        "## Summary",
        "",
        f"| {' | '.join(_COLUMNS)} |",
        f"|{' --- |' * len(_COLUMNS)}",
    ]
    for row in _summaries(record):
        cells = (row.label, row.realistic, row.other, row.seconds, row.cost, row.failures)
        lines.append(f"| {' | '.join(map(_md, cells))} |")
    lines += [
        "",
        "## To validate",
        "",
        *(f"- {_md(text)}" for text in to_validate(record)),
        "",
        "## Parameters",
        "",
    ]
    for candidate in comparison.candidates:
        told = {"uses": candidate.uses, "with": candidate.parameters, "input": candidate.fixed}
        lines += [f"### {_md(candidate.label)}", "", *_fenced(_json(told), "json"), ""]
    lines += ["## Outputs", ""]
    for case in record.cases:
        kind = "" if case.kind == GIVEN else f" ({case.kind})"
        lines += [f"### {_md(case.name)}{kind}", "", *_fenced(_json(_shortened(case.inputs)), "json"), ""]
        for place, candidate in enumerate(comparison.candidates):
            if (cell := record.cell(case, place)) is not None:
                lines += _cell_in_markdown(record, candidate.label, record.results.get(cell.key))
    return "\n".join(lines).rstrip() + "\n"


def _cell_in_markdown(record: Record, label: str, result: Result | None) -> list[str]:
    head = f"**{_md(label)}**: {_md(_outcome(result))}"
    if result is None:
        return [head, ""]
    lines = [head, ""]
    if result.error:
        lines += [*_fenced(result.error[:_SHOWN]), ""]
    elif result.text is not None:
        lines += [*_fenced(_cut(result.text)), ""]
    elif not result.files:
        lines += [*_fenced(_cut(_json(result.output)), "json"), ""]
    for file in result.files:
        address, name = record.address(file), _md(str(file.get("name", "file")))
        sign = "!" if file.get("mime") in _PICTURES else ""
        lines += [f"{sign}[{name}]({address})" if address else name, ""]
    return lines


def _md(text: str) -> str:
    flat = " ".join(str(text).split())
    return re.sub(r"([\\`*_{}\[\]<>#|~!&])", r"\\\1", flat)


def _fenced(text: str, language: str = "") -> list[str]:
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", text)), default=0))
    return [f"{fence}{language}", *text.splitlines(), fence]


# HTML ---------------------------------------------------------------------------------------------------


def as_html(record: Record) -> str:
    """The record as a page: outputs side by side."""
    comparison = record.comparison
    labels = "".join(f'<th scope="col">{escape(one.label)}</th>' for one in comparison.candidates)
    summary = "".join(
        f'<tr><th scope="row">{escape(row.label)}</th>'
        + "".join(
            f"<td>{escape(cell)}</td>"
            for cell in (row.realistic, row.other, row.seconds, row.cost, row.failures)
        )
        + "</tr>"
        for row in _summaries(record)
    )
    parameters = "".join(
        f"<h3>{escape(one.label)}</h3><pre>"
        f"{escape(_json({'uses': one.uses, 'with': one.parameters, 'input': one.fixed}))}</pre>"
        for one in comparison.candidates
    )
    rows = "".join(
        f'<tr><th scope="row">{escape(case.name)}'
        + ("" if case.kind == GIVEN else f"<br><small>{escape(case.kind)}</small>")
        + f"<pre>{escape(_json(_shortened(case.inputs)))}</pre></th>"
        + "".join(
            f"<td>{_cell_in_html(record, record.cell(case, place))}</td>"
            for place in range(len(comparison.candidates))
        )
        + "</tr>"
        for case in record.cases
    )
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<title>{escape(comparison.question)}</title>
<style>{_STYLE}</style>
</head>
<body>
<h1>{escape(comparison.question)}</h1>
<p>Comparison <code>{escape(comparison.name)}</code>, {escape(record.at)}.
Budget: {comparison.budget:g} USD.</p>
<h2>Decision</h2>
<pre>{escape(record.decision or "Not decided yet.")}</pre>
<h2>Summary</h2>
<div class="scroll"><table>
<thead><tr>{_HEADS}</tr></thead>
<tbody>{summary}</tbody>
</table></div>
<h2>To validate</h2>
<ul>{"".join(f"<li>{escape(text)}</li>" for text in to_validate(record))}</ul>
<h2>Outputs</h2>
<div class="scroll"><table>
<thead><tr><th scope="col">Input</th>{labels}</tr></thead>
<tbody>{rows}</tbody>
</table></div>
<h2>Parameters</h2>
{parameters}
</body>
</html>
"""


def _cell_in_html(record: Record, cell: Cell | None) -> str:
    if cell is None:
        return "<p>none of its inputs</p>"
    result = record.results.get(cell.key)
    failed = ' class="failed"' if result is not None and result.status == "failed" else ""
    parts = [f"<p{failed}>{escape(_outcome(result))}</p>"]
    if result is None:
        return parts[0]
    if result.error:
        parts.append(f"<pre>{escape(result.error[:_SHOWN])}</pre>")
    elif result.text is not None:
        parts.append(f"<pre>{escape(_cut(result.text))}</pre>")
    elif not result.files:
        parts.append(f"<pre>{escape(_cut(_json(result.output)))}</pre>")
    for file in result.files:
        address, name = escape(record.address(file)), escape(str(file.get("name", "file")))
        if address and file.get("mime") in _PICTURES:
            parts.append(f'<img src="{address}" alt="{name}" loading="lazy">')
        else:
            parts.append(f'<p><a href="{address}" download>{name}</a></p>' if address else f"<p>{name}</p>")
    return "".join(parts)


def _outcome(result: Result | None) -> str:
    if result is None or result.status == "open":
        return "not run" if result is None else "not over"
    parts = [result.error_type or "succeeded"]
    if not result.is_settled:
        return f"not run: {result.error_type}"
    if result.seconds is not None:
        parts.append(f"{result.seconds:.1f} s")
    parts.append("cost not known" if result.cost_usd is None else f"about {usd_text(result.cost_usd)}")
    return ", ".join(parts)


def _shortened(value: Json) -> Json:
    """The value with long texts cut, so that an oversized input does not fill the record."""
    if isinstance(value, str):
        return value if len(value) <= 300 else f"{value[:300]}… ({len(value):,} characters)"
    if isinstance(value, Mapping):
        if "$file" in value:
            return {key: value[key] for key in ("name", "mime", "bytes") if key in value}
        return {key: _shortened(item) for key, item in value.items()}
    return [_shortened(item) for item in value] if isinstance(value, list) else value


def _json(value: Json) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2)


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}… ({len(text):,} characters)"
