"""The connectors: sending over SMTP, and mailboxes over IMAP."""

from __future__ import annotations

from hookline.sdk import Connector

__all__ = ["email", "mailbox"]

email = Connector("email", title="Email", docs="https://www.rfc-editor.org/rfc/rfc5321")
mailbox = Connector("mailbox", title="Mailbox", docs="https://www.rfc-editor.org/rfc/rfc3501")
