"""Microseconds per operation of the expression language: ``python benchmarks/expressions.py``."""

from __future__ import annotations

import platform
import timeit
from collections.abc import Callable

from hookline.core.expressions import compile_template, compile_value

SCOPE = {
    "steps": {"predict": {"output": ["https://example.test/a.png"], "status": "succeeded"}},
    "trigger": {"items": [{"name": f"n{i}", "score": i / 100} for i in range(100)], "count": 3},
}
CASES = {
    "constant text": "no expression here",
    "path to a string": "{{ steps.predict.output[0] }}",
    "path inside text": "see {{ steps.predict.output[0] }}, please",
    "path to a list of 100 objects (copied)": "{{ trigger.items }}",
    "comparison": "{{ steps.predict.status == 'succeeded' }}",
    "arithmetic": "{{ trigger.count * 2 + 1 }}",
    "filter over 100": "{{ trigger.items.filter(x, x.score > 0.5).size() }}",
    "map over 100": "{{ trigger.items.map(x, x.name) }}",
    "filter and map over 100": "{{ trigger.items.filter(x, x.score > 0.5).map(x, x.name) }}",
}
WITH = {
    "model": "owner/name",
    "input": {"image": "{{ steps.predict.output[0] }}", "n": "{{ trigger.count }}"},
}


def microseconds(action: Callable[[], object]) -> float:
    timer = timeit.Timer(action)
    number, _ = timer.autorange()
    return min(timer.repeat(5, number)) / number * 1e6


def main() -> None:
    print(
        f"Python {platform.python_version()} on {platform.machine()}, microseconds per operation, best of 5"
    )
    for title, text in CASES.items():
        template = compile_template(text)
        print(f"{microseconds(lambda template=template: template.render(SCOPE)):10.2f}  render   {title}")
    value = compile_value(WITH)
    print(f"{microseconds(lambda: value.render(SCOPE)):10.2f}  render   a step's with (two paths)")
    for title, text in CASES.items():
        print(f"{microseconds(lambda text=text: compile_template(text)):10.2f}  compile  {title}")


if __name__ == "__main__":
    main()
