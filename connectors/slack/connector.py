"""Slack: messages, files, reactions, people and channels; incoming webhooks; events, commands, clicks."""

from __future__ import annotations

from . import approvals as approvals
from .app import IncomingWebhook, check_token, connect, connect_webhook, slack, slack_webhook
from .files import lookup_uploaded, upload_file
from .messages import delete_message, lookup_posted, post_message, update_message
from .people import add_reaction, list_channels, lookup_user
from .posts import post_ephemeral, respond, schedule_message, send_webhook
from .triggers import action, command, event

__all__ = [
    "IncomingWebhook",
    "action",
    "add_reaction",
    "check_token",
    "command",
    "connect",
    "connect_webhook",
    "delete_message",
    "event",
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
