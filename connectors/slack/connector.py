"""Slack: messages, files, reactions, people and channels; incoming webhooks."""

from __future__ import annotations

from .app import IncomingWebhook, check_token, connect, connect_webhook, slack, slack_webhook
from .files import lookup_uploaded, upload_file
from .messages import delete_message, lookup_posted, post_message, update_message
from .people import add_reaction, list_channels, lookup_user
from .posts import post_ephemeral, respond, schedule_message, send_webhook

__all__ = [
    "IncomingWebhook",
    "add_reaction",
    "check_token",
    "connect",
    "connect_webhook",
    "delete_message",
    "list_channels",
    "lookup_posted",
    "lookup_uploaded",
    "lookup_user",
    "post_ephemeral",
    "post_message",
    "respond",
    "schedule_message",
    "send_webhook",
    "slack",
    "slack_webhook",
    "update_message",
    "upload_file",
]
