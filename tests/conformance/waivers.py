"""Components that may break a rule: one table, each entry with its reason."""

from __future__ import annotations

from hookline.testing.conformance import Waiver

WAIVERS: tuple[Waiver, ...] = (
    Waiver(
        "action s3.list",
        "examples",
        "boto3 does not answer from recordings; the tests of the s3 connector run it against a real store.",
    ),
)
