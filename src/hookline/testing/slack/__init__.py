"""A Slack-shaped inbox, for tests and the demonstration: programs and people can read what was posted.

with SlackStandIn() as slack:
    WebClient(slack.token, base_url=slack.api_url).chat_postMessage(channel="#art", text="hello")
    assert slack.messages[0].text == "hello"
"""

from __future__ import annotations

from hookline.testing.slack.outgoing import Delivery, Sent
from hookline.testing.slack.records import Channel, Message, UploadedFile
from hookline.testing.slack.server import (
    DEFAULT_CHANNELS,
    DEFAULT_SIGNING_SECRET,
    DEFAULT_TOKEN,
    FAULTS,
    SlackStandIn,
)

__all__ = [
    "DEFAULT_CHANNELS",
    "DEFAULT_SIGNING_SECRET",
    "DEFAULT_TOKEN",
    "FAULTS",
    "Channel",
    "Delivery",
    "Message",
    "Sent",
    "SlackStandIn",
    "UploadedFile",
]
