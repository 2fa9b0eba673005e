"""Our verifier and Slack's own agree, and ours never raises."""

from __future__ import annotations

import random
from datetime import UTC, datetime

import pytest
from slack_sdk.signature import Clock, SignatureVerifier

from hookline.engine.loader import import_room
from hookline.sdk import HookRefused, HookRequest

signature = import_room("connectors.slack.signature")

NOW = 1_795_000_000
SECRET = "8f742231b10e8888abcd99yyyzzz85a5"
COMMAND = (
    b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V"
    b"&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text="
    b"&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN"
    b"&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
)


class _Clock(Clock):
    def now(self) -> float:
        return float(NOW)


def _theirs(timestamp: str | None, signed: str | None, body: bytes) -> bool | None:
    """What the official verifier says; None when it raises."""
    headers = {
        name: value
        for name, value in (("X-Slack-Request-Timestamp", timestamp), ("X-Slack-Signature", signed))
        if value is not None
    }
    try:
        return SignatureVerifier(SECRET, _Clock()).is_valid_request(body, headers)
    except (ValueError, TypeError):
        return None


def _timestamp(chance: random.Random) -> str | None:
    near = NOW + chance.choice((0, 0, 0, 0, 1, -1, 299, -299, 300, -300, 301, -301, 86_400, -86_400))
    odd = (
        "",
        "abc",
        "-1",
        "+5",
        "1e9",
        "١٢٣",
        "1" * 13,
        "1_795_000_000",
        f" {NOW}",
        f"{NOW}\n",
        "²",
        "\x00",
        "é",
    )
    return chance.choice((str(near),) * 8 + (chance.choice(odd), None))


def _body(chance: random.Random) -> bytes:
    kind = chance.randrange(6)
    if kind == 0:
        return b""
    if kind == 1:
        return chance.randbytes(chance.randrange(1, 40))
    if kind == 2:
        return '{"text": "Grüße 🙂"}'.encode()
    if kind == 3:
        return COMMAND
    return bytes(chance.choices(b"abc:v0=&{}\r\n", k=chance.randrange(1, 60)))


def _signed(chance: random.Random, timestamp: str | None, body: bytes) -> str | None:
    right = signature.sign(SECRET, timestamp or "", body)
    kind = chance.randrange(12)
    if kind < 6:
        return str(right)
    place = chance.randrange(len(right))
    return chance.choice(
        (
            None,
            "",
            right[:-1],
            right + "0",
            right.upper(),
            right.removeprefix("v0="),
            "v1=" + right[3:],
            right[:place] + chance.choice("0123456789abcdefé\x00🙂") + right[place + 1 :],
            signature.sign("another secret", timestamp or "", body),
            signature.sign(SECRET, timestamp or "", body + b" "),
            "v0=\udcff",
        )
    )


def test_ten_thousand_requests_are_judged_alike() -> None:
    chance = random.Random(20261120)
    seen = {True: 0, False: 0, None: 0}
    for number in range(10_000):
        timestamp = _timestamp(chance)
        body = _body(chance)
        signed = _signed(chance, timestamp, body)
        ours = signature.is_genuine(SECRET, timestamp, signed, body, NOW)
        theirs = _theirs(timestamp, signed, body)
        seen[theirs] += 1
        if theirs is None:
            # It cannot tell. Ours refuses all of them but bytes that are no text and are rightly signed.
            is_right = timestamp is not None and signed == signature.sign(SECRET, timestamp, body)
            assert ours == (is_right and not _is_text(body) and _is_near(timestamp)), (number, timestamp)
        elif theirs and not (timestamp or "").isdecimal():
            assert not ours, (
                number,
                timestamp,
            )  # " 1795000000" and "1_795_000_000" are not what Slack sends.
        else:
            assert ours == theirs, (number, timestamp, signed, body)
    assert min(seen.values()) > 200, seen


def _is_text(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True


def _is_near(timestamp: str | None) -> bool:
    return timestamp is not None and timestamp.isdecimal() and abs(NOW - int(timestamp)) <= 300


@pytest.mark.parametrize(
    ("seconds", "code"), [(0, None), (300, None), (-300, None), (301, "C602"), (-301, "C602")]
)
def test_the_published_request_is_taken_for_five_minutes(seconds: int, code: str | None) -> None:
    at = 1_531_420_618
    headers = {
        "x-slack-request-timestamp": str(at),
        "x-slack-signature": "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503",
    }
    request = HookRequest("POST", "slack", headers, {}, COMMAND, datetime(2026, 3, 1, tzinfo=UTC))
    assert _refusal(request, SECRET, at + seconds) == code


@pytest.mark.parametrize(
    ("headers", "secret", "code"),
    [
        ({}, SECRET, "C601"),
        ({"x-slack-request-timestamp": str(NOW)}, SECRET, "C601"),
        ({"x-slack-signature": "v0=00"}, SECRET, "C601"),
        ({"x-slack-request-timestamp": "soon", "x-slack-signature": "v0=00"}, SECRET, "C601"),
        ({"x-slack-request-timestamp": str(NOW), "x-slack-signature": "v0=é"}, SECRET, "C601"),
        ({"x-slack-request-timestamp": str(NOW), "x-slack-signature": "v0=00"}, "", "C603"),
    ],
)
def test_every_other_request_is_refused_with_its_code(
    headers: dict[str, str], secret: str, code: str
) -> None:
    request = HookRequest("POST", "slack", headers, {}, b"\xff\xfe", datetime(2026, 3, 1, tzinfo=UTC))
    assert _refusal(request, secret, NOW) == code


def _refusal(request: HookRequest, secret: str, now: float) -> str | None:
    try:
        signature.check_signature(secret, request, now)
    except HookRefused as refused:
        return refused.code if refused.status == 401 else f"status {refused.status}"
    return None
