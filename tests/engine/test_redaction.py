"""Secrets do not survive, in any form, anywhere they could leave the engine."""

from __future__ import annotations

import base64
import io
import json
import logging
import threading
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookline.engine.redaction import (
    MIN_SECRET_LENGTH,
    Redactor,
    Secret,
    install_redaction,
    is_sensitive_key,
    secret_forms,
)

TOKEN = "r8_Zq3kPl9VwXy2Tn7"
AWKWARD = 'p@ss/w"rd+ü\\ñ %&<>'

values = st.text(min_size=MIN_SECRET_LENGTH, max_size=40)
names = st.text(max_size=12)
plain = st.text(max_size=30)


@st.composite
def texts_with_secrets(draw: st.DrawFn) -> tuple[list[Secret], str]:
    secrets = [Secret(draw(names), value) for value in draw(st.lists(values, min_size=1, max_size=4))]
    pieces = []
    for secret in draw(st.lists(st.sampled_from(secrets), max_size=6)):
        pieces.append(draw(plain))
        pieces.append(draw(st.sampled_from(secret_forms(secret.value))))
    return secrets, "".join([*pieces, draw(plain)])


@given(texts_with_secrets())
def test_no_form_of_any_secret_survives(case: tuple[list[Secret], str]) -> None:
    secrets, text = case
    redacted = Redactor(secrets).redact_text(text)
    for secret in secrets:
        for form in secret_forms(secret.value):
            assert form not in redacted


@given(texts_with_secrets())
def test_no_form_survives_in_values_and_their_keys(case: tuple[list[Secret], str]) -> None:
    secrets, text = case
    value = {text: [text, {"deep": {"password": text, "n": 1}}], "headers": {"Authorization": text}}
    shown: list[str] = []

    def collect(item: object) -> None:
        if isinstance(item, dict):
            for key, inner in item.items():
                collect(inner)
                # "deep", "password" and the like are the test's own and may equal a secret by chance.
                shown.append(key)
        elif isinstance(item, list):
            for inner in item:
                collect(inner)
        elif isinstance(item, str):
            shown.append(item)

    collect(Redactor(secrets).redact_value(value))
    for secret in secrets:
        for form in secret_forms(secret.value):
            assert not any(form in text for text in shown)


@given(values, st.binary(max_size=7), st.binary(max_size=7), st.booleans())
def test_base64_of_something_that_contains_the_secret(
    value: str, before: bytes, after: bytes, urlsafe: bool
) -> None:
    raw = value.encode("utf-8")
    encode = base64.urlsafe_b64encode if urlsafe else base64.b64encode
    encoded = encode(before + raw + after).decode()
    redacted = Redactor([Secret("it", value)]).redact_text(f"<{encoded}>")
    kept = redacted.partition("[redacted:it]")
    assert kept[1], "the encoded secret was found"
    # What is left around it are the neighbours and at most the bits they share a character with.
    assert len(kept[0]) - 1 <= (len(before) * 8 + 5) // 6
    assert len(kept[2]) - 1 <= (len(after) * 8 + 5) // 6 + 3


@given(values, st.data())
def test_any_choice_of_percent_encoded_characters(value: str, data: st.DataObject) -> None:
    def written(char: str) -> str:
        if (char.isascii() and (char.isalnum() or char in "_.-")) or data.draw(st.booleans()):
            return char
        encoded = "".join(f"%{byte:02X}" for byte in char.encode())
        return encoded.lower() if data.draw(st.booleans()) else encoded

    encoded = "".join(written(char) for char in value)
    assert encoded not in Redactor([Secret("it", value)]).redact_text(f"?x={encoded}&y=1")


@given(st.text(max_size=200))
def test_text_without_secrets_or_credentials_is_untouched(text: str) -> None:
    redactor = Redactor([Secret("it", TOKEN)])
    if not any(mark in text.lower() for mark in ("=", ":", "basic", "bearer")):
        assert redactor.redact_text(text) == text


@pytest.mark.parametrize(
    "text",
    [
        AWKWARD,
        json.dumps({"value": AWKWARD}),
        json.dumps({"value": AWKWARD}, ensure_ascii=False),
        json.dumps({"body": json.dumps({"value": AWKWARD})}),
        json.dumps({"value": AWKWARD}).replace("/", "\\/"),
        f"https://example.com/?q={quote(AWKWARD, safe='')}",
        f"https://example.com/?q={quote(AWKWARD)}",
        f"https://example.com/?q={quote(AWKWARD, safe='').lower()}",
        f"q={quote_plus(AWKWARD)}",
        repr(AWKWARD),
        repr(AWKWARD.encode()),
        f"Basic {base64.b64encode(f'user:{AWKWARD}'.encode()).decode()}",
        base64.urlsafe_b64encode(f"ab{AWKWARD}c".encode()).decode(),
    ],
)
def test_forms_that_real_software_writes(text: str) -> None:
    redacted = Redactor([Secret("db.password", AWKWARD)]).redact_text(text)
    assert "[redacted:" in redacted
    for fragment in ("w\\", "rd+", "rd%2B", "rd%2b", "ü", "%C3%BC", "u00fc", "p%40ss", "p@ss"):
        assert fragment not in redacted


def test_the_marker_names_the_secret_and_text_around_it_stays() -> None:
    redactor = Redactor([Secret("replicate token!", TOKEN)])
    assert redactor.redact_text(f"got {TOKEN}, twice {TOKEN}.") == (
        "got [redacted:replicate_token_], twice [redacted:replicate_token_]."
    )


def test_overlapping_secrets_leave_no_piece_of_either() -> None:
    redactor = Redactor([Secret("a", "abcdefgh"), Secret("b", "efghijkl")])
    assert redactor.redact_text("-abcdefghijkl-") == "-[redacted:a]-"


@pytest.mark.parametrize("value", ["redacted", "[redacted:x]", "acted:x]", "[redac"])
def test_a_secret_that_reads_like_a_marker(value: str) -> None:
    redacted = Redactor([Secret("x", value), Secret("y", TOKEN)]).redact_text(f"1 {value} 2 {TOKEN} 3")
    assert value not in redacted
    assert TOKEN not in redacted


def test_short_values_are_not_masked() -> None:
    assert Redactor([Secret("pin", "12345")]).redact_text("12345 apples") == "12345 apples"


def test_a_secret_read_from_a_file_is_found_without_its_newline() -> None:
    assert TOKEN not in Redactor([Secret("it", TOKEN + "\n")]).redact_text(f"x {TOKEN} y")


def test_each_line_of_a_key_is_masked() -> None:
    pem = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEF\nAASCBKcwggSjAgEAAoIBAQC7\n-----END-----"
    redactor = Redactor([Secret("key", pem)])
    assert redactor.redact_text("line AASCBKcwggSjAgEAAoIBAQC7") == "line [redacted:key]"
    assert redactor.redact_text("-----BEGIN PRIVATE KEY-----") == "-----BEGIN PRIVATE KEY-----"
    assert redactor.redact_text(json.dumps(pem)) == '"[redacted:key]"'


def test_secrets_come_and_go() -> None:
    redactor = Redactor()
    assert redactor.redact_text(TOKEN) == TOKEN
    redactor.add(Secret("it", TOKEN))
    redactor.add(Secret("it", "the-next-one"))
    assert redactor.redact_text(f"{TOKEN} the-next-one") == "[redacted:it] [redacted:it]"
    redactor.remove("it")
    redactor.remove("never known")
    assert redactor.redact_text(TOKEN) == TOKEN


def test_threads_may_change_it_while_others_read() -> None:
    redactor = Redactor([Secret("always", TOKEN)])
    leaks: list[str] = []

    def change(index: int) -> None:
        for turn in range(50):
            redactor.add(Secret(f"n{index}", f"value-{index}-{turn}-xyz"))
            redactor.remove(f"n{index}")

    def read() -> None:
        for _ in range(200):
            text = redactor.redact_text(f"a {TOKEN} b")
            if TOKEN in text:
                leaks.append(text)

    threads = [threading.Thread(target=change, args=(i,)) for i in range(3)]
    threads += [threading.Thread(target=read) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert leaks == []
    assert redactor.redact_text("value-1-49-xyz") == "value-1-49-xyz"


@pytest.mark.parametrize(
    "key",
    ["Authorization", "proxy-authorization", "Cookie", "Set-Cookie", "token", "access_token", "accessToken",
     "SLACK_BOT_TOKEN", "client_secret", "clientSecret", "password", "db-password", "api_key", "apiKey",
     "apikey", "X-Api-Key", "aws_secret_access_key", "X-Amz-Signature", "x-amz-security-token", "privateKey",
     "credentials"],
)  # fmt: skip
def test_keys_that_hold_credentials(key: str) -> None:
    assert is_sensitive_key(key)
    value = {key: "never-shown-1", "list": [{key: {"deep": ["never-shown-2"]}}], "other": "shown"}
    redacted = Redactor().redact_value(value)
    assert "never-shown" not in json.dumps(redacted)
    assert redacted["other"] == "shown"
    assert "never-shown" not in str(Redactor().redact_headers({key: "never-shown-1"}))


@pytest.mark.parametrize(
    "key",
    ["max_tokens", "total_tokens", "promptTokens", "next_token", "key", "object_key", "author", "tokenizer",
     "secretary", "keyboard", "name", "etag", "x-request-id", "amazon", ""],
)  # fmt: skip
def test_keys_that_do_not(key: str) -> None:
    assert not is_sensitive_key(key)
    assert Redactor().redact_value({key: "shown"}) == {key: "shown"}


def test_numbers_stay_but_for_passwords() -> None:
    value = {"token": 7, "password": 123456, "cost": 0.5, "ok": True, "none": None, "secret": None}
    assert Redactor().redact_value(value) == {**value, "password": "[redacted:password]"}


def test_a_value_is_copied_not_changed() -> None:
    value = {"list": [TOKEN], "tuple": (TOKEN,), "bytes": TOKEN.encode()}
    redacted = Redactor([Secret("it", TOKEN)]).redact_value(value)
    assert value["list"] == [TOKEN]
    assert redacted == {"list": ["[redacted:it]"], "tuple": ["[redacted:it]"], "bytes": "[redacted:it]"}


def test_a_bottomless_value_ends() -> None:
    value: object = TOKEN
    for _ in range(500):
        value = [value]
    assert TOKEN not in repr(Redactor().redact_value(value))


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("Authorization: Bearer never-shown-1", "Authorization: "),
        ("authorization=Basic never-shown-1", "authorization="),
        ("Cookie: a=never-shown-1; b=never-shown-2\nHost: example.com", "Host: example.com"),
        ("{'Authorization': 'Bearer never-shown-1', 'Accept': '*/*'}", "'Accept': '*/*'"),
        ('{"x-api-key": "never-shown-1", "a": 1}', '"a": 1'),
        (r"{\"Authorization\": \"Bearer never-shown-1\", \"a\": 1}", r"\"a\": 1"),
        ("(b'Set-Cookie', b'id=never-shown-1; Path=/'), (b'Age', b'1')", "(b'Age', b'1')"),
        ("token type Bearer never-shown-1 was refused", "was refused"),
        ("GET https://b.example.com/k?X-Amz-Signature=never-shown-1&X-Amz-Date=never-shown-2&a=1", "&a=1"),
        ("https://x.example.com/?sig=never-shown-1&sv=2", "&sv=2"),
        ("https://x.example.com/?access_token=never-shown-1", "x.example.com"),
        ("postgresql://app:never-shown-1@db.example.com/hookline", "@db.example.com/hookline"),
    ],
)
def test_credentials_in_text_nobody_told_us_about(text: str, kept: str) -> None:
    redacted = Redactor().redact_text(text)
    assert "never-shown" not in redacted
    assert kept in redacted
    assert Redactor().redact_text(redacted) == redacted


@pytest.mark.parametrize(
    "text",
    [
        "steps.check: expected a token, got a number",
        "password must be at least 8 characters",
        "https://example.com/path?page=2&size=10#token",
        "bucket=uploads key=raw/photo.png",
        "basic auth is not configured",
    ],
)
def test_ordinary_messages_are_left_alone(text: str) -> None:
    assert Redactor().redact_text(text) == text


def test_headers_in_pairs_are_joined() -> None:
    redacted = Redactor([Secret("it", TOKEN)]).redact_headers(
        [("X-Trace", f"a {TOKEN}"), ("X-Trace", "b"), ("Set-Cookie", "c")]
    )
    assert redacted == {"X-Trace": "a [redacted:it], b", "Set-Cookie": "[redacted:set_cookie]"}


def test_an_exception_and_its_cause_are_masked() -> None:
    def fail() -> None:
        try:
            raise ValueError(f"inner {TOKEN}")
        except ValueError as error:
            raise RuntimeError(f"outer {TOKEN}") from error

    with pytest.raises(RuntimeError) as caught:
        fail()
    text = Redactor([Secret("it", TOKEN)]).redact_exception(caught.value)
    assert TOKEN not in text
    assert "inner [redacted:it]" in text
    assert "outer [redacted:it]" in text


class TestLogging:
    @pytest.fixture
    def stream(self) -> io.StringIO:
        return io.StringIO()

    @pytest.fixture
    def logger(self, stream: io.StringIO) -> logging.Logger:
        logger = logging.Logger("isolated")
        handler = logging.StreamHandler(stream)
        handler.setFormatter(logging.Formatter("%(message)s %(extra)s", defaults={"extra": "-"}))
        logger.addHandler(handler)
        install_redaction(Redactor([Secret("it", TOKEN)]), logger=logger)
        return logger

    def test_message_and_arguments(self, logger: logging.Logger, stream: io.StringIO) -> None:
        logger.warning("got %s and %r of %d", TOKEN, {"a": TOKEN}, 3)
        assert stream.getvalue() == "got [redacted:it] and {'a': '[redacted:it]'} of 3 -\n"

    def test_exception_and_stack(self, logger: logging.Logger, stream: io.StringIO) -> None:
        try:
            raise ValueError(f"bad {TOKEN}")
        except ValueError:
            logger.exception("failed", stack_info=True)
        assert TOKEN not in stream.getvalue()
        assert "ValueError: bad [redacted:it]" in stream.getvalue()

    def test_a_formatter_that_reads_the_exception_itself(
        self, logger: logging.Logger, stream: io.StringIO
    ) -> None:
        class Own(logging.Formatter):
            def format(self, record: logging.LogRecord) -> str:
                return f"{record.getMessage()} {record.exc_info} {record.exc_text}"

        logger.handlers[0].setFormatter(Own())
        try:
            raise ValueError(TOKEN)
        except ValueError:
            logger.exception("failed")
        assert TOKEN not in stream.getvalue()
        assert "ValueError: [redacted:it]" in stream.getvalue()

    def test_extra_fields(self, logger: logging.Logger, stream: io.StringIO) -> None:
        logger.warning("x", extra={"extra": {"note": TOKEN, "password": "never-shown"}})
        assert TOKEN not in stream.getvalue()
        assert "never-shown" not in stream.getvalue()

    def test_a_call_with_wrong_arguments(
        self, logger: logging.Logger, stream: io.StringIO, capsys: pytest.CaptureFixture[str]
    ) -> None:
        logger.warning("%d %d", TOKEN)
        assert "do not fit" in stream.getvalue()
        assert TOKEN not in stream.getvalue() + capsys.readouterr().err

    def test_installing_again_replaces_the_redactor(
        self, logger: logging.Logger, stream: io.StringIO
    ) -> None:
        install_redaction(Redactor([Secret("other", "another-value")]), logger=logger)
        logger.warning("%s another-value", TOKEN)
        assert stream.getvalue() == f"{TOKEN} [redacted:other] -\n"

    def test_the_root_handlers_and_the_last_resort(self) -> None:
        root = logging.getLogger()
        handler = logging.StreamHandler(stream := io.StringIO())
        root.addHandler(handler)
        before = {known: list(known.filters) for known in (*root.handlers, logging.lastResort) if known}
        try:
            install_redaction(Redactor([Secret("it", TOKEN)]))
            logging.getLogger("some.library").error("leaks %s", TOKEN)
            assert logging.lastResort is not None
            record = logging.makeLogRecord({"msg": TOKEN})
            assert logging.lastResort.filter(record)
            assert record.getMessage() == "[redacted:it]"
        finally:
            root.removeHandler(handler)
            for known, filters in before.items():
                known.filters[:] = filters
        assert stream.getvalue() == "leaks [redacted:it]\n"
