"""``moderation.check``: what is found, what is decided, and what happens when nothing can be known."""

from __future__ import annotations

import asyncio
import hashlib
import io
import struct
import sys
import zlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hookline.engine.loader import import_room, load_registry
from hookline.sdk import BadInput, NotFound, RateLimited
from hookline.sdk.moderation import CATEGORIES, Assessment, Finding, Image
from hookline.testing import FakeContext, run_action

REGISTRY = load_registry()
CHECK = REGISTRY.actions["moderation.check"]
Automaton = import_room("actions._moderation.automaton").Automaton
NORMALISE = import_room("actions._moderation.normalise")
PICTURES = import_room("actions._moderation.pictures")
LISTS = import_room("actions._moderation.lists")


def check(ctx: FakeContext | None = None, **given: Any) -> Any:
    return asyncio.run(run_action(CHECK, {"provider": "wordlist", **given}, ctx or FakeContext()))


def is_found(text: str, *words: str) -> bool:
    found = check(text=text, words=list(words), default_words=False)["action"]
    assert found in ("allow", "block")
    return bool(found == "block")


# Words


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
        ({"image": {"$file": "artifact:x"}}, "C032"),
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


# Verdicts


class Provider:
    """A connection that moderates."""

    def __init__(self, *findings: Finding, error: Exception | None = None, **assessment: Any) -> None:
        self.findings = findings
        self.error = error
        self.assessment = assessment
        self.asked: list[tuple[str | None, Image | None]] = []

    async def moderate(self, *, text: str | None = None, image: Image | None = None) -> Any:
        self.asked.append((text, image))
        if self.error:
            raise self.error
        return Assessment(self.findings, **self.assessment)


def ask(provider: Any, **given: Any) -> Any:
    ctx = FakeContext(connections={"judge": provider})
    return check(ctx, **{"provider": "judge", "text": "hello", **given})


@pytest.mark.parametrize(
    ("score", "action"),
    [(0.0, "allow"), (0.39, "allow"), (0.4, "review"), (0.79, "review"), (0.8, "block"), (1.0, "block")],
)
def test_a_score_is_compared_with_the_thresholds(score: float, action: str) -> None:
    verdict = ask(Provider(Finding("violence", score)))
    assert (verdict["action"], verdict["status"]) == (action, "ok")
    assert verdict["flagged"] == (action != "allow")


def test_the_strictest_category_decides_and_is_the_reason() -> None:
    verdict = ask(
        Provider(Finding("hate", 0.5), Finding("violence", 0.91, provider_name="v/g"), Finding("sexual", 0.6))
    )
    assert verdict["action"] == "block"
    assert verdict["reason"] == "violence 0.91 >= block 0.8"
    assert [each["decision"] for each in verdict["categories"]] == ["review", "block", "review"]


@pytest.mark.parametrize(
    "policy",
    [
        {},
        {"default": {"review": None, "block": None}},
        {"categories": {"sexual_minors": {"review": 1.0, "block": 1.0}}},
        {"categories": {"sexual_minors": {"review": None, "block": None}}},
    ],
)
def test_one_category_cannot_be_weakened(policy: dict[str, Any]) -> None:
    assert ask(Provider(Finding("sexual_minors", 0.1)), policy=policy)["action"] == "block"
    assert ask(Provider(Finding("sexual_minors", 0.09)), policy=policy)["action"] == "allow"


def test_one_category_can_be_made_stricter() -> None:
    policy = {"categories": {"sexual_minors": {"block": 0.01}}}
    assert ask(Provider(Finding("sexual_minors", 0.02)), policy=policy)["action"] == "block"


def test_a_policy_is_applied_and_named() -> None:
    policy = {
        "id": "strict",
        "version": 7,
        "default": {"block": 0.2},
        "categories": {"hate": {"review": 0.1, "block": None}},
    }
    verdict = ask(Provider(Finding("hate", 0.99), Finding("violence", 0.19)), policy=policy)
    assert verdict["policy"] == {"id": "strict", "version": 7}
    assert verdict["action"] == "review"
    assert verdict["categories"][1]["threshold"] == {"review": 0.2, "block": 0.2}


def test_an_unknown_category_is_kept_as_other() -> None:
    [judged] = ask(Provider(Finding("rude gestures", 0.9)))["categories"]
    assert (judged["name"], judged["provider_name"], judged["decision"]) == (
        "other",
        "rude gestures",
        "block",
    )


def test_a_category_that_was_not_looked_at_does_not_count() -> None:
    looked = ask(Provider(Finding("hate", 1.0, evaluated=False), Finding("violence", 0.0)))
    assert (looked["status"], looked["action"]) == ("ok", "allow")
    for findings in ([Finding("hate", 0.0, evaluated=False)], []):
        verdict = ask(Provider(*findings))
        assert (verdict["status"], verdict["action"]) == ("unsupported", "review")


@pytest.mark.parametrize(
    "provider",
    [
        Provider(error=RateLimited("busy")),
        Provider(error=BadInput("the provider does not like it")),
        Provider(error=KeyError("results")),
        Provider(error=OSError("gone")),
        Provider(Finding("hate", float("nan"))),
        Provider(Finding("hate", 1.5)),
        Provider(Finding("hate", None)),  # type: ignore[arg-type]
    ],
)
@pytest.mark.parametrize("on_error", ["review", "block", "allow"])
def test_a_provider_that_fails_gives_what_was_declared(provider: Provider, on_error: str) -> None:
    verdict = ask(provider, on_error=on_error)
    assert (verdict["status"], verdict["action"]) == ("error", on_error)
    assert verdict["reason"].startswith("the provider failed: ")
    assert ask(provider)["action"] == "review"


def test_a_provider_that_answers_nonsense_has_failed() -> None:
    class Silent:
        async def moderate(self, **_: Any) -> None:
            return None

    assert ask(Silent())["action"] == "review"


@pytest.mark.parametrize(("on_unsupported", "action"), [("review", "review"), ("block", "block")])
def test_unsupported_content_is_never_allowed(on_unsupported: str, action: str) -> None:
    provider = Provider(Finding("hate", 0.0), unsupported="it is too long")
    verdict = ask(provider, on_unsupported=on_unsupported, on_error="allow")
    assert (verdict["status"], verdict["action"], verdict["reason"]) == (
        "unsupported",
        action,
        "it is too long",
    )


def test_allow_is_not_offered_for_unsupported_content() -> None:
    options = CHECK.input_schema["properties"]["on_unsupported"]["oneOf"]
    assert {option["const"] for option in options} == {"review", "block"}


def test_the_verdict_names_the_exact_bytes() -> None:
    ctx = FakeContext(connections={"judge": Provider(Finding("hate", 0.0))})
    file = ctx.fake_files.put(b"picture", name="a.png")
    verdict = check(ctx, provider="judge", image={**file.to_json(), "sha256": "forged"})
    assert verdict["subject"] == {
        "kind": "image",
        "sha256": hashlib.sha256(b"picture").hexdigest(),
        "bytes": 7,
        "ref": file.uri,
    }
    assert ctx.connections["judge"].asked == [(None, Image(b"picture", "image/png", file.uri))]
    assert check(text="é")["subject"]["sha256"] == hashlib.sha256("é".encode()).hexdigest()


def test_a_connection_that_does_not_moderate_is_refused() -> None:
    with pytest.raises(BadInput) as caught:
        ask(object())
    assert caught.value.code == "C032"
    with pytest.raises(BadInput):
        check(text="x", provider="absent")


def test_every_category_is_in_the_verdict() -> None:
    verdict = ask(Provider(*(Finding(name, 0.0) for name in CATEGORIES)))
    assert [each["name"] for each in verdict["categories"]] == list(CATEGORIES)


# Pictures


def picture(seed: int, size: tuple[int, int] = (320, 240), **save: Any) -> bytes:
    """A picture of soft shapes that depend on `seed`."""
    from PIL import Image as Pillow
    from PIL import ImageDraw

    image = Pillow.new("RGB", size, (seed * 37 % 256, 120, 200))
    draw = ImageDraw.Draw(image)
    for number in range(12):
        value = seed * 7919 + number * 104_729
        x, y = value % 90 / 100 * size[0], value // 7 % 90 / 100 * size[1]
        width, height = (value // 11 % 40 + 10) / 100 * size[0], (value // 13 % 40 + 10) / 100 * size[1]
        draw.ellipse((x, y, x + width, y + height), fill=(value % 256, value // 3 % 256, value // 5 % 256))
    buffer = io.BytesIO()
    image.save(buffer, **{"format": "PNG", **save})
    return buffer.getvalue()


def hash_of(content: bytes, algorithm: str) -> str:
    [frame] = PICTURES.frames(content)
    return f"{algorithm}:{getattr(PICTURES, algorithm)(frame):016x}"


def look(content: bytes, *hashes: str, mime: str = "image/png", **given: Any) -> Any:
    ctx = FakeContext()
    reference = ctx.fake_files.put(content, name="picture", mime=mime).to_json()
    return check(ctx, provider="hashlist", image=reference, hashes=list(hashes), **given)


@pytest.mark.parametrize("algorithm", ["phash", "dhash"])
def test_a_known_picture_is_found_resized_and_recompressed(algorithm: str) -> None:
    known = hash_of(picture(1), algorithm)
    for copy in (
        picture(1),
        picture(1, (800, 600)),
        picture(1, (160, 120)),
        picture(1, format="JPEG", quality=60),
        picture(1, (2400, 1800), format="JPEG"),
        picture(1, format="WEBP"),
    ):
        assert look(copy, f"sexual: {known}")["action"] == "block"
    others = [look(picture(seed), known)["action"] for seed in range(2, 30)]
    assert others == ["allow"] * len(others)


def test_a_hash_without_a_name_follows_the_algorithm() -> None:
    name, _, digits = hash_of(picture(1), "dhash").partition(":")
    assert look(picture(1), digits, algorithm="dhash", max_distance=0)["action"] == "block"
    assert look(picture(1), digits, algorithm="phash", max_distance=0)["action"] == "allow"
    assert name == "dhash"


def test_every_frame_is_looked_at() -> None:
    from PIL import Image as Pillow

    images = [Pillow.open(io.BytesIO(picture(seed))) for seed in (5, 6, 1)]
    buffer = io.BytesIO()
    images[0].save(buffer, format="GIF", save_all=True, append_images=images[1:])
    assert look(buffer.getvalue(), hash_of(picture(1), "phash"))["action"] == "block"
    assert look(buffer.getvalue(), hash_of(picture(9), "phash"))["action"] == "allow"


def test_what_is_transparent_is_seen_on_white() -> None:
    from PIL import Image as Pillow

    def shown(background: tuple[int, int, int, int]) -> str:
        image = Pillow.new("RGBA", (64, 64), background)
        image.paste((0, 0, 0, 255), (0, 0, 30, 64))
        buffer = io.BytesIO()
        image.save(buffer, format="PNG")
        return hash_of(buffer.getvalue(), "dhash")

    assert shown((0, 0, 0, 0)) == shown((255, 255, 255, 255))


@pytest.mark.parametrize(
    "plain", ["0000000000000000", "ffffffffffffffff", "dhash:0000000000000001", "phash:ff", "x"]
)
def test_a_hash_that_is_near_everything_is_refused(plain: str) -> None:
    with pytest.raises(BadInput) as caught:
        look(picture(1), plain)
    assert caught.value.code == "C033"


def test_a_plain_picture_is_near_no_listed_one() -> None:
    from PIL import Image as Pillow

    buffer = io.BytesIO()
    Pillow.new("RGB", (50, 50), "white").save(buffer, format="PNG")
    known = [hash_of(picture(seed), algorithm) for seed in range(8) for algorithm in ("phash", "dhash")]
    usable = [each for each in known if 8 < int(each[6:], 16).bit_count() < 56]
    assert look(buffer.getvalue(), *usable)["action"] == "allow"


def png(width: int, height: int, data: bytes) -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(data))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(
    "content",
    [
        png(50_000, 50_000, b"\0" * 100_000),
        png(10_000, 10_000, b"\0" * 100_000),
        png(100, 100, b"\0" * 10),
        png(0, 0, b""),
        picture(1)[:500],
        b"",
        b"GIF89a",
        b"%PDF-1.7",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"\x00" * 1000,
    ],
    ids=["bomb", "large", "truncated data", "no size", "cut", "empty", "gif", "pdf", "svg", "zeros"],
)
def test_what_cannot_be_decoded_is_not_allowed(content: bytes) -> None:
    verdict = look(content, "phash:e1e1f0d2b4963c87")
    assert (verdict["status"], verdict["action"]) == ("unsupported", "review")


def test_a_film_in_a_picture_is_not_allowed() -> None:
    from PIL import Image as Pillow

    frames = [Pillow.new("L", (4, 4), value) for value in range(0, 250, 2)]
    buffer = io.BytesIO()
    frames[0].save(buffer, format="GIF", save_all=True, append_images=frames[1:])
    assert look(buffer.getvalue(), "phash:e1e1f0d2b4963c87")["status"] == "unsupported"


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 3000), st.binary(min_size=1, max_size=20))
def test_a_damaged_picture_never_breaks_the_check(position: int, damage: bytes) -> None:
    content = picture(1, format="JPEG")
    broken = content[:position] + damage + content[position + len(damage) :]
    assert look(broken, "phash:e1e1f0d2b4963c87")["status"] in ("ok", "unsupported")


def test_a_picture_that_is_too_large_is_not_read() -> None:
    ctx = FakeContext()
    reference = {"$file": "artifact:not there", "bytes": 20_000_001}
    verdict = check(ctx, provider="hashlist", image=reference, hashes=["phash:e1e1f0d2b4963c87"])
    assert (verdict["status"], verdict["action"]) == ("unsupported", "review")
    reference = ctx.fake_files.put(b"x" * 20_000_001).to_json() | {"bytes": 1}
    verdict = check(ctx, provider="hashlist", image=reference, hashes=["phash:e1e1f0d2b4963c87"])
    assert verdict["status"] == "unsupported"


def test_the_wrong_kind_of_content_is_not_allowed() -> None:
    assert check(provider="hashlist", text="x", hashes=["phash:e1e1f0d2b4963c87"])["action"] == "review"
    ctx = FakeContext()
    reference = ctx.fake_files.put(picture(1)).to_json()
    assert check(ctx, image=reference)["action"] == "review"


def test_without_pillow_the_remedy_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(BadInput) as caught:
        look(b"x", "phash:e1e1f0d2b4963c87")
    assert caught.value.code == "C031"
    assert caught.value.hint == "pip install hookline[images]"
