"""The provider ``rules``: what can be said of a text without understanding it."""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Annotated, Any, Final, Literal, NotRequired, TypedDict

from hookline.sdk import BadInput, Field
from hookline.sdk.moderation import Assessment, Finding

__all__ = ["Rules", "assess_rules", "check_rules"]

Script = Literal[
    "arabic", "cyrillic", "devanagari", "greek", "han", "hangul", "hebrew", "kana", "latin", "thai"
]

MAX_CHARACTERS = 200_000
MAX_PATTERNS = 100

_LINK = re.compile(r"(?:https?://|www\.)([^\s/?#:<>\"')\]]{1,253})", re.IGNORECASE)
_STARTS: Final = {
    "CJK": "han",
    "HIRAGANA": "kana",
    "KATAKANA": "kana",
    "ARABIC": "arabic",
    "CYRILLIC": "cyrillic",
    "DEVANAGARI": "devanagari",
    "GREEK": "greek",
    "HANGUL": "hangul",
    "HEBREW": "hebrew",
    "LATIN": "latin",
    "FULLWIDTH": "latin",
    "THAI": "thai",
}
_SHARE = 0.2
"""Part of a text's letters that has to be of a script until the text counts as written in it."""


class Rules(TypedDict):
    """What a text must keep to."""

    min_length: NotRequired[Annotated[int, Field("Fewest characters.", minimum=0)]]
    max_length: NotRequired[Annotated[int, Field("Most characters.", minimum=0)]]
    max_links: NotRequired[Annotated[int, Field("Most links.", minimum=0)]]
    allowed_hosts: NotRequired[
        Annotated[list[str], Field("Hosts that links may lead to, with those below them; else any.")]
    ]
    blocked_hosts: NotRequired[
        Annotated[list[str], Field("Hosts that links may not lead to, with those below them.")]
    ]
    scripts: NotRequired[
        Annotated[
            list[Script],
            Field("Scripts it may be written in: a hint at its language, and no more than that."),
        ]
    ]
    patterns: NotRequired[
        Annotated[
            dict[str, str],
            Field("Regular expressions (RE2) that must not match, by a name for the record."),
        ]
    ]
    category: NotRequired[Annotated[str, Field("Category of a broken rule; other when left out.")]]


def check_rules(rules: Rules) -> None:
    """Refuse rules that cannot be applied.

    Raises:
        BadInput: C034 for patterns, C032 when there is no rule at all.
    """
    if not set(rules) - {"category"}:
        raise BadInput("rules has no rule, so everything would be allowed", code="C032")
    patterns = rules.get("patterns", {})
    if len(patterns) > MAX_PATTERNS:
        raise BadInput(f"there are more than {MAX_PATTERNS} patterns", code="C034")
    for name, pattern in patterns.items():
        _compiled(name, pattern)


def assess_rules(text: str, rules: Rules) -> Assessment:
    """Which rules a text breaks.

    Raises:
        BadInput: C034: a pattern cannot be used.
    """
    if len(text) > MAX_CHARACTERS:
        return Assessment(unsupported=f"the text has more than {MAX_CHARACTERS} characters")
    category = rules.get("category", "other")
    broken = dict(_checked(text, rules))
    digest = hashlib.sha256(json.dumps(rules, sort_keys=True).encode()).hexdigest()
    return Assessment(
        [
            Finding(category, float(is_broken), "label_only", provider_name=name, applied_to=("text",))
            for name, is_broken in broken.items()
        ],
        flagged=any(broken.values()),
        model=f"rules-{digest[:12]}",
    )


def _checked(text: str, rules: Rules) -> Iterator[tuple[str, bool]]:
    if "min_length" in rules:
        yield "min_length", len(text.strip()) < rules["min_length"]
    if "max_length" in rules:
        yield "max_length", len(text) > rules["max_length"]
    hosts = [match[1].lower().rstrip(".") for match in _LINK.finditer(unicodedata.normalize("NFKC", text))]
    if "max_links" in rules:
        yield "max_links", len(hosts) > rules["max_links"]
    if "allowed_hosts" in rules:
        yield "allowed_hosts", not all(_is_below(host, rules["allowed_hosts"]) for host in hosts)
    if "blocked_hosts" in rules:
        yield "blocked_hosts", any(_is_below(host, rules["blocked_hosts"]) for host in hosts)
    if "scripts" in rules:
        yield "scripts", bool(_scripts(text) - set(rules["scripts"]))
    for name, pattern in rules.get("patterns", {}).items():
        yield f"patterns/{name}", _compiled(name, pattern)(text)


def _is_below(host: str, named: list[str]) -> bool:
    # What stands before an @ is a name, not the host; the last one counts.
    host = host.rpartition("@")[2]
    return any(host == each.lower() or host.endswith(f".{each.lower()}") for each in named)


def _scripts(text: str) -> set[str]:
    letters = Counter(char for char in text if char.isalpha())
    counts: Counter[str] = Counter()
    for char, number in letters.items():
        counts[_script(char)] += number
    whole = counts.total()
    return {script for script, number in counts.items() if number >= whole * _SHARE}


@lru_cache(maxsize=4096)
def _script(char: str) -> str:
    start = unicodedata.name(char, "").partition(" ")[0].partition("-")[0]
    return _STARTS.get(start, "unknown")


@lru_cache(maxsize=256)
def _compiled(name: str, pattern: str) -> Callable[[str], bool]:
    """Whether a pattern matches somewhere, in time linear in the text."""
    try:
        import re2
    except ImportError as error:
        raise BadInput(
            f"the pattern {name!r} needs RE2, which is not installed: Python's own matcher can be made to "
            "run for hours",
            code="C034",
            hint="pip install hookline[re2]",
        ) from error
    options = re2.Options()
    options.log_errors = False
    try:
        compiled: Any = re2.compile(pattern, options)
    except re2.error as error:
        told = error.args[0] if error.args else ""
        why = told.decode("utf-8", "replace") if isinstance(told, bytes) else str(told)
        raise BadInput(
            f"RE2 cannot use the pattern {name!r}: {why}",
            code="C034",
            hint="the syntax is at https://github.com/google/re2/wiki/Syntax",
        ) from error
    return lambda text: compiled.search(text) is not None
