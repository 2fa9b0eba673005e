"""A strict stand-in for Google Drive, for tests: its API, its tokens, its changes, its notifications.

with DriveStandIn() as drive:
    inbox = drive.people.folder("inbox")
    photo = drive.people.put("cat.png", b"...", inbox)
    ...                                # drive.base_url, drive.token_url, drive.accounts.service_account_key()
"""

from __future__ import annotations

from hookline.testing.drive.auth import Accounts
from hookline.testing.drive.fault_names import FAULTS
from hookline.testing.drive.people import People
from hookline.testing.drive.records import FOLDER, SHORTCUT, Channel, Item, Logged, Push
from hookline.testing.drive.server import DriveStandIn

__all__ = [
    "FAULTS",
    "FOLDER",
    "SHORTCUT",
    "Accounts",
    "Channel",
    "DriveStandIn",
    "Item",
    "Logged",
    "People",
    "Push",
]
