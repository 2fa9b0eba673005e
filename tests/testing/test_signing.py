import hashlib

import pytest
from standardwebhooks import Webhook
from testing_vectors import VECTOR_BODY, VECTOR_ID, VECTOR_SECRET, VECTOR_SIGNATURE, VECTOR_TIMESTAMP

from hookline.testing.replicate.signing import new_secret, sign


def test_the_worked_example_comes_out_byte_for_byte() -> None:
    assert len(VECTOR_BODY) == 294
    expected = "13648c38893f17cfc02a3e99e7547563d904220c0cb47856bd9bcb44ea5e2333"
    assert hashlib.sha256(VECTOR_BODY).hexdigest() == expected
    assert sign(VECTOR_SECRET, VECTOR_ID, VECTOR_TIMESTAMP, VECTOR_BODY) == VECTOR_SIGNATURE


def test_the_example_of_the_official_test_suite() -> None:
    signature = sign(
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        1614265330,
        b'{"test": 2432232314}',
    )
    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize("body", [b"", b"{}", "ü".encode(), bytes(range(256))])
def test_every_byte_and_the_timestamp_are_signed(body: bytes) -> None:
    secret = new_secret()
    signature = sign(secret, "msg_1", 1_795_000_000, body)
    assert sign(secret, "msg_1", 1_795_000_000, body + b" ") != signature
    assert sign(secret, "msg_1", 1_795_000_001, body) != signature
    assert sign(secret, "msg_2", 1_795_000_000, body) != signature
    assert sign(new_secret(), "msg_1", 1_795_000_000, body) != signature


def test_a_fresh_secret_is_one_the_reference_implementation_takes() -> None:
    assert Webhook(new_secret())
