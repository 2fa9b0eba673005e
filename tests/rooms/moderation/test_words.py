"""The providers that know lists: which words are found, and which are not."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hookline.engine.loader import import_room
from hookline.sdk import BadInput, NotFound
from hookline.testing import FakeContext

from .kit import check, is_found

Automaton = import_room("actions._moderation.automaton").Automaton
NORMALISE = import_room("actions._moderation.normalise")
LISTS = import_room("actions._moderation.lists")


@pytest.mark.parametrize(
    "text",
    [
        "you asshole",
        "You ASSHOLE!",
        "asshole",
        "(asshole)",
        "...asshole...",
        "a$$hole",
        "@sshole",
        "a55h0le",
        "a55h01e",
        "ASSHO|E",
        "assholé",
        "ａｓｓｈｏｌｅ",
        "аsshоlе",  # Cyrillic а, о, е
        "αsshοle",  # Greek
        "ass\u200bhole",
        "ass\u00adhole",
        "a\u0336s\u0336s\u0336h\u0336o\u0336l\u0336e\u0336",
        "ass\u2060\ufe0f\U000e0041hole",
        "𝕒𝕤𝕤𝕙𝕠𝕝𝕖",
        "ⓐⓢⓢⓗⓞⓛⓔ",
        "a s s h o l e",
        "a.s.s.h.o.l.e",
        "a-s-s-h-o-l-e",
        "a  s  s  h  o  l  e",
        "you a a s s h o l e",
        "ass.hole",
        "ass_hole",
        "asssshoooole",
        "assholeeeee",
        "asshole\x0bnow",
        "ᴀssʜᴏʟᴇ",  # small capitals
        "🅰🆂🆂🅷🅾🅻🅴",
        "ᶏʂʂɦɵɭɇ",  # hooks and strokes
        "ᎪᏚᏚhole",  # Cherokee
        "as´sh´ole",
        "a​s​s​h​0​1​e",  # zero-width spaces and digits
        "\x00a\x00sshole",
    ],
)
def test_a_disguised_word_is_found(text: str) -> None:
    assert is_found(text, "asshole")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Scunthorpe",
        "class assess assassin embarrassing",
        "cocktail in Essex, Penistone and Lightwater",
        "as s",
        "c l a s s i c",
        "$455 and 455",
        "+1 455 455-0455",
        "shiitake",
        "the pass is $a",
        "U.S.A. a b c",
    ],
)
def test_a_word_inside_another_is_not_found(text: str) -> None:
    assert not is_found(text, "ass", "cunt", "cock", "sex", "penis", "shit")


@pytest.mark.parametrize(
    ("word", "text", "found"),
    [
        ("fuck*", "fucking", True),
        ("fuck*", "unfuck", False),
        ("*fuck*", "unfucked", True),
        ("*fuck", "unfuck", True),
        ("kill yourself", "kill   your\u200bself", True),
        ("kill yourself", "KILL, yourself", True),
        ("kill yourself", "kill and yourself", False),
        ("*敏感*", "这是敏感词", True),
        ("敏感", "这是敏感词", False),
        ("слово", "плохое СЛОВО", True),
        ("1488", "at 1488", True),
        ("1488", "14880", False),
    ],
)
def test_how_an_entry_is_written(word: str, text: str, found: bool) -> None:
    assert is_found(text, word) is found


def test_the_default_list_has_no_name_or_animal_in_it() -> None:
    harmless = (
        "Dick Cheney watched a cock and a pussy cat in Scunthorpe, Clitheroe and Middlesex; the tit sang, "
        "the donkey was an ass. Spic and span, chink in the armour, retardant paint, niggardly, snigger."
    )
    assert check(text=harmless)["action"] == "allow"
    assert check(text="well, fuck you")["action"] == "block"
    assert [each["name"] for each in check(text="kys")["categories"] if each["score"]] == [
        "harassment_threat"
    ]


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=80), st.sampled_from(["asshole", "kill yourself", "wanker"]), st.text(max_size=80))
def test_a_plain_word_is_found_wherever_it_stands(before: str, word: str, after: str) -> None:
    text = f"{before} \n {word} \n {after}"
    assert is_found(text, word)


DISGUISES: dict[str, list[str]] = {
    "a": ["a", "A", "@", "4", "а", "α", "ａ", "á", "ⓐ"],
    "e": ["e", "E", "3", "е", "ε", "ë", "ⓔ"],
    "h": ["h", "H", "һ", "հ", "ʜ"],
    "i": ["i", "I", "1", "!", "|", "і", "ι", "ï"],
    "n": ["n", "N", "ո", "ñ", "ⓝ"],
    "o": ["o", "O", "0", "о", "ο", "ö", "ø"],
    "s": ["s", "S", "$", "5", "ѕ", "ʂ", "ś"],
    "t": ["t", "T", "7", "+", "т", "τ", "ţ"],
    "w": ["w", "W", "ԝ", "ᴡ", "ŵ"],
    "k": ["k", "K", "к", "κ", "қ"],
    "r": ["r", "R", "ʀ", "ŕ"],
}
INVISIBLE = ["", "", "", "\u200b", "\u200d", "\u00ad", "\u2060", "\ufe0f", "\u0336"]


@st.composite
def disguised(draw: st.DrawFn) -> tuple[str, str]:
    """A word, and one of the ways in which somebody may write it."""
    word = draw(st.sampled_from(["asshole", "shithead", "wanker", "tosser", "twat"]))
    letters = [
        draw(st.sampled_from(DISGUISES.get(letter, [letter]))) + draw(st.sampled_from(INVISIBLE))
        for letter in word
    ]
    # A sign at an edge may just as well be an exclamation mark, so the edges are letters.
    letters[0], letters[-1] = word[0], word[-1]
    return word, "".join(letters)


@settings(max_examples=400, deadline=None)
@given(disguised(), st.sampled_from(["", "you ", "(", "... "]), st.sampled_from(["", "!", " here", ")."]))
def test_disguises_may_be_combined(pair: tuple[str, str], before: str, after: str) -> None:
    word, written = pair
    assert is_found(f"{before}{written}{after}", word)


ENGLISH = (
    "Scunthorpe, Penistone and Clitheroe: the assistant passed the classic grass to the cockerel; an analyst "
    "in Essex and Sussex discussed shiitake, Titanic, Dickens, Matsushita, Hitachi, cumulus, therapist."
)


@settings(max_examples=100, deadline=None)
@given(st.permutations(ENGLISH.split()))
def test_harmless_words_stay_harmless_in_any_order(words: list[str]) -> None:
    listed = ["ass", "cunt", "cock", "sex", "penis", "shit", "clit", "tit", "dick", "cum", "rapist", "anal"]
    assert not is_found(" ".join(words), *listed)


def test_ordinary_text_is_hardly_walked_through() -> None:
    entries = tuple(LISTS.entries(["fuck*", "asshole*", "kill yourself", "shit"], "l", "profanity"))
    automaton = import_room("actions._moderation.wordlist")._compile(entries).automaton
    text = (ENGLISH * 200)[:24_000]
    for stream in NORMALISE.streams(text):
        assert automaton.scan(stream)[1] < len(stream) / 10


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=200))
def test_any_text_is_read(text: str) -> None:
    for stream in NORMALISE.streams(text):
        assert stream.startswith(" ")
        assert stream.endswith(" ")


@settings(max_examples=200, deadline=None)
@given(st.lists(st.text("ab", min_size=1, max_size=5), min_size=1, max_size=8), st.text("ab", max_size=40))
def test_the_automaton_finds_what_a_search_finds(patterns: list[str], text: str) -> None:
    found, moves = Automaton(patterns).scan(text)
    assert found == {index for index, pattern in enumerate(patterns) if pattern in text}
    assert moves <= 2 * len(text) + sum(len(pattern) + 1 for pattern in patterns)


@pytest.mark.parametrize(
    "unit", ["a", "a ", "ab", "f u c k ", "$", "ﷺ", "a.b_c-", "aaa ", "\u200b", "\u0301", "f\u200bu c.k "]
)
def test_the_work_grows_with_the_text_and_no_faster(unit: str) -> None:
    text = (unit * 24_000)[:24_000]
    automaton = Automaton([" " + "a" * 200 + "b ", "aaaa", " f", " fuck "])
    moves = characters = 0
    for stream in NORMALISE.streams(text):
        characters += len(stream)
        moves += automaton.scan(stream)[1]
    # NFKD makes at most 18 characters of one, and there are at most 19 readings of a text, of
    # which the one for spaced-out letters holds up to nine versions of a run.
    assert characters <= 24_000 * 18 * (18 + 9)
    assert moves <= 2 * characters + 1000
    assert check(text=text)["status"] == ("unsupported" if unit == "ﷺ" else "ok")


@pytest.mark.parametrize("text", ["a" * 200_001, "\ufdfa" * 30_000])
def test_a_text_that_is_too_long_is_not_allowed(text: str) -> None:
    verdict = check(text=text)
    assert (verdict["status"], verdict["action"]) == ("unsupported", "review")


def test_a_verdict_does_not_repeat_what_it_flags() -> None:
    ctx = FakeContext()
    verdict = check(ctx, text="something vilewordhere", words=["vilewordhere"])
    assert verdict["action"] == "block"
    assert "vileword" not in str(verdict) + str(ctx.logged)


def test_words_come_from_files_too() -> None:
    ctx = FakeContext()
    file = ctx.fake_files.put("\ufeff# mine\nharassment: loser*\n\n  plain # why\n".encode(), name="mine.txt")
    verdict = check(ctx, text="Losers are plain", wordlists=[file.to_json()], default_words=False)
    assert {each["name"]: each["provider_name"] for each in verdict["categories"]} == {
        "harassment": "mine.txt",
        "other": "mine.txt",
    }
    with pytest.raises(NotFound):
        check(text="x", wordlists=[{"$file": "artifact:gone"}])


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"words": ["nonsense: word"]}, "C033"),
        ({"words": ["profanity: ***"]}, "C033"),
        ({"words": ["…"]}, "C033"),
        ({"words": ["a"], "list_category": "bad"}, "C030"),
        ({"default_words": False}, "C032"),
        ({"provider": []}, "C032"),
        ({"provider": ["wordlist", "wordlist"]}, "C032"),
        ({"policy": {"required": ["nudity"]}}, "C030"),
        ({"policy": {"default": {"review": 0.9, "block": 0.5}}}, "C030"),
        ({"policy": {"categories": {"nudity": {"block": 0.5}}}}, "C030"),
        ({"provider": "hashlist"}, "C032"),
    ],
)
def test_a_mistake_of_the_workflow_is_an_error_and_no_verdict(given: dict[str, Any], code: str) -> None:
    with pytest.raises(BadInput) as caught:
        check(**{"text": "x", **given})
    assert caught.value.code == code


def test_something_must_be_given() -> None:
    with pytest.raises(BadInput):
        check()
