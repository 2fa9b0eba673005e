"""Every fault the stand-in knows, by name."""

from __future__ import annotations

__all__ = ["FAULTS", "GROUPS"]

GROUPS: tuple[str, ...] = ("token", "files", "content", "upload", "changes", "watch")
"""Groups of requests that the common faults can be set on."""

_BEFORE = {
    "rate_limited": "403 whose reason is VALUE (default userRateLimitExceeded); nothing is done",
    "too_many": "429 with Retry-After VALUE (none without); nothing is done",
    "forbidden": "403 whose reason is VALUE (default insufficientFilePermissions)",
    "unauthorized": "401, as for an access token that has expired",
    "server_error": "VALUE (default 503) as Google's error document; nothing is done",
    "html_500": "500 with an HTML page; nothing is done",
    "reset_before": "reset the connection; nothing is done",
    "hang": "never answer; nothing is done",
}
_AFTER = {
    "server_error_after": "do it, then answer VALUE (default 503)",
    "reset_after": "do it, then reset the connection",
    "unparsable_after": "do it, then answer with half the JSON",
}
_OTHER = {
    "changes.bad_token": "the page token is refused with VALUE (default 400)",
    "changes.duplicates": "every change is listed twice",
    "files.expired_page_token": "the page token of a list is refused with 400",
    "content.corrupt": "one bit of a download is wrong",
    "content.cut": "a download ends one byte early",
    "upload.chunk_lost": "take in a piece of a resumable upload, then answer 503",
    "upload.foreign_session": "the address of a resumable upload lies at VALUE, another origin",
    "upload.gone": "the session of a resumable upload does not exist any more",
    "push.lost": "a notification is not sent",
}

FAULTS: dict[str, str] = {
    **{f"{group}.{kind}": text for group in GROUPS for kind, text in {**_BEFORE, **_AFTER}.items()},
    **_OTHER,
}
"""Name to one line of description."""
