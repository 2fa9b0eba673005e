"""The provider ``rules``."""

from __future__ import annotations

import importlib.util
import sys
from typing import Any

import pytest

from hookline.sdk import BadInput

from .kit import check

needs_re2 = pytest.mark.skipif(importlib.util.find_spec("re2") is None, reason="google-re2 is not installed")


def broken(text: str, **rules: Any) -> list[str]:
    verdict = check(provider="rules", text=text, rules=rules)
    assert verdict["status"] == "ok"
    assert (verdict["action"] == "block") == any(each["score"] for each in verdict["categories"])
    return [each["provider_name"] for each in verdict["categories"] if each["score"]]


@pytest.mark.parametrize(
    ("text", "rules", "found"),
    [
        ("hello", {"max_length": 5}, []),
        ("hello!", {"max_length": 5}, ["max_length"]),
        ("   ", {"min_length": 1}, ["min_length"]),
        ("see https://a.example and www.b.example", {"max_links": 2}, []),
        ("see https://a.example and www.b.example", {"max_links": 1}, ["max_links"]),
        ("HTTPS://A.EXAMPLE", {"max_links": 0}, ["max_links"]),
        ("https://docs.a.example/x", {"allowed_hosts": ["a.example"]}, []),
        ("https://nota.example/x", {"allowed_hosts": ["a.example"]}, ["allowed_hosts"]),
        ("https://a.example@evil.example/", {"allowed_hosts": ["a.example"]}, ["allowed_hosts"]),
        ("https://a.example.evil.example", {"allowed_hosts": ["a.example"]}, ["allowed_hosts"]),
        ("http://SPAM.example:80/x", {"blocked_hosts": ["spam.example"]}, ["blocked_hosts"]),
        ("http://x.spam.example.", {"blocked_hosts": ["spam.example"]}, ["blocked_hosts"]),
        ("http://ｓｐａｍ.example", {"blocked_hosts": ["spam.example"]}, ["blocked_hosts"]),
        ("http://notspam.example", {"blocked_hosts": ["spam.example"]}, []),
        ("Guten Tag, Ελένη und alle anderen hier", {"scripts": ["latin"]}, []),
        ("Привет, как дела", {"scripts": ["latin"]}, ["scripts"]),
        ("Привет, как дела", {"scripts": ["latin", "cyrillic"]}, []),
        ("日本語です", {"scripts": ["han", "kana"]}, []),
        ("12345 !!!", {"scripts": ["latin"]}, []),
    ],
)
def test_a_rule_is_kept_or_broken(text: str, rules: dict[str, Any], found: list[str]) -> None:
    assert broken(text, **rules) == found


def test_a_broken_rule_has_the_category_it_is_given() -> None:
    verdict = check(provider="rules", text="xx", rules={"max_length": 1, "category": "profanity"})
    assert [each["name"] for each in verdict["categories"]] == ["profanity"]


@pytest.mark.parametrize(
    ("rules", "code"),
    [({}, "C032"), ({"category": "other"}, "C032"), ({"max_length": 1, "category": "bad"}, "C030")],
)
def test_rules_without_a_rule_are_refused(rules: dict[str, Any], code: str) -> None:
    with pytest.raises(BadInput) as caught:
        check(provider="rules", text="x", rules=rules)
    assert caught.value.code == code


def test_pythons_own_matcher_is_never_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "re2", None)
    with pytest.raises(BadInput) as caught:
        check(provider="rules", text="x", rules={"patterns": {"only here": "(a+)+$"}})
    assert (caught.value.code, caught.value.hint) == ("C034", "pip install hookline[re2]")


@needs_re2
def test_a_pattern_is_matched_in_linear_time() -> None:
    hostile = {"patterns": {"hostile": "(a+)+$", "phone": r"\+?\d{7,}"}}
    assert broken("a" * 100_000 + "b", **hostile) == []
    assert broken("call +491234567", **hostile) == ["patterns/phone"]


@needs_re2
@pytest.mark.parametrize("pattern", ["(", r"(a)\1", "(?=x)"])
def test_a_pattern_that_is_none_is_refused(pattern: str) -> None:
    with pytest.raises(BadInput) as caught:
        check(provider="rules", text="x", rules={"patterns": {"bad": pattern}})
    assert caught.value.code == "C034"
