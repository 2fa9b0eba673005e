"""Google Drive: files of a person, of a service account, and of shared drives; uploads start runs."""

from __future__ import annotations

from .app import check, connect, google_drive
from .trigger import file_uploaded

__all__ = ["REQUIRES", "check", "connect", "file_uploaded", "google_drive"]

REQUIRES = ("cryptography",)
