"""Every fault the stand-in knows, by name."""

from __future__ import annotations

__all__ = ["FAULTS", "OPERATIONS"]

OPERATIONS: tuple[str, ...] = ("create", "get", "list", "cancel", "models", "files", "account", "secret")
"""Groups of routes that transport faults can be set on."""

_BEFORE = {
    "reset_before": "reset the connection; nothing is done",
    "hang_before": "never answer; nothing is done",
    "insufficient_credit": "402 problem",
    "throttled": "429; VALUE is `SECONDS[,header|body|text|none]`: where the wait is told",
    "server_error": "500 problem; nothing is done",
    "unavailable_html": "503 with an HTML page; nothing is done",
}
_AFTER = {
    "reset_after": "do it, then reset the connection",
    "hang_after": "do it, then never answer",
    "server_error_after": "do it, then answer 500",
    "unavailable_html_after": "do it, then answer 503 with an HTML page",
    "unparsable_after": "do it, then answer with half the JSON",
    "slow_after": "do it, then send the body one byte per VALUE seconds (default 1)",
}
_OTHER = {
    "auth.create_variants": "401 bodies of the create path in place of the usual ones",
    "sync.processing_with_output": "a finished `Prefer: wait` answer says `processing`, without metrics",
    "sync.timeout": "`Prefer: wait` answers 202 `starting` at once",
    "sync.data_uri": "a `Prefer: wait` answer holds data: URIs where the files' URLs would be",
    "list.foreign_next": "`next` points at another origin (VALUE, default http://127.0.0.2:9)",
    "list.null_string_next": '`next` is the string "null"',
    "list.without_webhook": "listed predictions do not echo `webhook`",
    "models.null_schema": "versions have `openapi_schema` and `cog_version` null",
    "cancel.null_logs": "the canceled prediction has `logs` null",
    "execution.stay_starting": "the prediction stays `starting` until it is released",
    "execution.fail": "the prediction fails with VALUE as its error",
    "execution.unknown_status": "the prediction reports the status VALUE (default `queued`) until it is done",
    "webhook.duplicate": "the message is delivered twice, same id",
    "webhook.reorder": "`start` is delivered after `completed`",
    "webhook.drop_start": "`start` is never delivered",
    "webhook.drop_completed": "`completed` is never delivered, not even by a retry",
    "webhook.wrong_secret": "signed with another secret",
    "webhook.stale_timestamp": "timestamp VALUE seconds in the past (default 600), signed correctly",
    "webhook.extra_signature": "an unknown `v2,` signature stands before the right one",
    "webhook.only_v2": "the only signature carries an unknown version",
    "webhook.large_body": "`logs` padded until the body exceeds VALUE bytes (default 5,500,000)",
    "webhook.silent_abort": "no `completed` for an aborted prediction",
    "cdn.not_found": "404 for an output file",
    "cdn.redirect": "302 to VALUE (default http://169.254.169.254/latest/meta-data/)",
    "cdn.wrong_length": "Content-Length larger than the body, then the connection ends",
    "cdn.endless": "a body that does not end before 10 GB",
    "cdn.server_error": "500 for an output file",
    "stream.unavailable": "503 with an HTML page for a stream",
    "stream.cut": "the stream ends after VALUE events (default 1), without `done`",
    "stream.wrong": "the stream sends one text that the output does not have, and ends",
    "stream.silent": "the stream sends nothing but its comment about a timeout",
}

FAULTS: dict[str, str] = {
    **{f"{group}.{kind}": text for group in OPERATIONS for kind, text in {**_BEFORE, **_AFTER}.items()},
    **_OTHER,
}
"""Name to one line of description."""
