"""What Drive answers, as what the engine understands.

The status says too little: a 403 is a limit of requests, a full disk, a missing permission or a file
that has no bytes. Drive's ``reason`` decides.

Source: https://developers.google.com/workspace/drive/api/guides/handle-errors
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hookline.sdk import (
    ActionError,
    AuthenticationFailed,
    BadInput,
    ContentRejected,
    InsufficientCredit,
    MalformedOutput,
    NotFound,
    OutcomeUnknown,
    RateLimited,
    Response,
    Slower,
    Unavailable,
    retry_after,
)
from hookline.sdk.components import Effect

__all__ = ["error_for", "reason_of", "told"]

_LIMITED = frozenset(
    {
        "backgroundRateLimitExceeded",
        "dailyLimitExceeded",
        "quotaExceeded",
        "rateLimitExceeded",
        "sharingRateLimitExceeded",
        "userRateLimitExceeded",
    }
)
_FULL: Mapping[str, str] = {
    "storageQuotaExceeded": "the account has no storage left; a service account has none at all: write to a "
    "shared drive, or connect as a person",
    "teamDriveFileLimitExceeded": "the shared drive holds as many files as it may",
    "numChildrenInNonRootLimitExceeded": "the folder holds as many files as it may",
    "myDriveHierarchyDepthLimitExceeded": "folders are nested as deeply as they may be",
    "teamDriveHierarchyTooDeep": "folders are nested as deeply as they may be",
}
_FILE: Mapping[str, str] = {
    "cannotCopyFile": "a folder cannot be copied, and its owner may forbid it for a file",
    "cannotDownloadFile": "its owner forbids downloading it",
    "exportSizeLimitExceeded": "Google exports at most 10 MB",
    "fileNotDownloadable": "it has no bytes of its own: add ?export= and a media type to its address",
    "fileNotExportable": "only Google's own documents are exported",
    "fieldNotWritable": "",
    "parentNotAFolder": "the address names a file where a folder must be",
}
_PERMISSION: Mapping[str, str] = {
    "accessNotConfigured": "enable the Google Drive API for the project of the credential",
    "appNotAuthorizedToFile": "the scope drive.file sees only files that the app made or was shown",
    "insufficientFilePermissions": "share the file or folder with the account, as editor if it is to write",
    "insufficientParentPermissions": "share the folder with the account as editor",
    "insufficientPermissions": "the credential's scope does not allow it: set access to write",
}
_MOST_WAIT = 3600.0
_USUAL_WAIT = 2.0


def reason_of(response: Response) -> str:
    """Drive's own word for a refusal, ``""`` when it says none."""
    try:
        found: Any = response.json()
        error = found["error"]
        reason = error["errors"][0]["reason"] if isinstance(error, Mapping) else ""
    except (MalformedOutput, KeyError, IndexError, TypeError):
        return ""
    return reason if isinstance(reason, str) and reason.isalnum() else ""


def told(response: Response) -> Slower | None:
    """How often Drive wants to be asked: it says it with 403, too, and mostly without a time."""
    if response.status not in (403, 429) or (response.status == 403 and reason_of(response) not in _LIMITED):
        return None
    wait = retry_after(response.headers)
    return Slower(_USUAL_WAIT if wait is None else min(wait, _MOST_WAIT))


def error_for(response: Response, what: str, effect: Effect) -> ActionError:
    """The error for an answer that is none of those asked for.

    Args:
        what: What was being done, for the message: ``reading gdrive://…``.
        effect: Of the request: what may be sent again, and what may have acted.
    """
    status, reason = response.status, reason_of(response)
    told = f"{what}: Google Drive answered {status}{f' {reason}' if reason else ''}"
    if reason in _LIMITED or status == 429:
        wait = retry_after(response.headers)
        return RateLimited(told, retry_after=None if wait is None else min(wait, _MOST_WAIT))
    if status >= 500 or status == 408:
        wait = retry_after(response.headers)
        if effect in ("read", "idempotent"):
            return Unavailable(told, retry_after=wait)
        return OutcomeUnknown(f"{told}; it may have acted", hint="look at the folder before repeating it")
    if reason in _FULL:
        return InsufficientCredit(told, hint=_FULL[reason])
    if reason == "cannotDownloadAbusiveFile":
        return ContentRejected(
            told, hint="Google holds the file to be malware or spam, and gives it to nobody"
        )
    if reason in _FILE:
        return BadInput(told, hint=_FILE[reason])
    if status in (401, 403):
        hint = _PERMISSION.get(reason, "test the connection; its credential lacks a permission")
        return AuthenticationFailed(told, hint=hint)
    if status in (404, 410):
        return NotFound(told, hint="it is gone, or it is not shared with the account of the connection")
    if status < 400:
        return MalformedOutput(f"{told}, which is no result", hint="check base_url of the connection")
    return BadInput(told, hint="correct the address or the step's parameters")
