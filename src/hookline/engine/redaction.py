"""Masking secrets wherever text leaves the engine: logs, stored errors, traces, exported runs.

Two nets, because each has holes. By value: every active secret, in every form it usually takes
(percent-encoded, base64 at each alignment, JSON-escaped). By key: whatever stands under a name
such as ``authorization`` or ``x-amz-signature``, known to us or not.
"""

from __future__ import annotations

import base64
import html
import json
import logging
import re
import threading
import traceback
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise
from typing import Any
from urllib.parse import quote, quote_plus

__all__ = [
    "MIN_SECRET_LENGTH",
    "RedactingFilter",
    "Redactor",
    "Secret",
    "install_redaction",
    "is_sensitive_key",
    "secret_forms",
]

MIN_SECRET_LENGTH = 6
"""Shorter values are not masked by value: they would blot out ordinary text."""

_MIN_LINE = 16
# Shorter than any secret, so it can hold none: the way out when a marker's own text is one.
_BLANK = "*****"
_MAX_DEPTH = 200
_TELLING = 4
"""Characters of a secret that are not shown while it is not known whether the rest follows."""


@dataclass(frozen=True, slots=True)
class Secret:
    """A value that must not appear anywhere.

    Attributes:
        name: What stands in its place: ``[redacted:name]``.
    """

    name: str
    value: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Form:
    text: str
    marker: str


class Redactor:
    """Masks the secrets it knows. May be used and changed from any thread.

    A secret and everything that overlaps it is replaced by ``[redacted:name]``. Without secrets
    only the patterns of credentials (``Authorization: …``, presigned queries) are looked for.
    """

    def __init__(self, secrets: Iterable[Secret] = ()) -> None:
        self._lock = threading.Lock()
        self._secrets: dict[str, tuple[Secret, ...]] = {}
        # Replaced as a whole and never changed, so that readers need no lock.
        self._forms: tuple[_Form, ...] = ()
        self._escaped: tuple[tuple[re.Pattern[str], str], ...] = ()
        for secret in secrets:
            self._secrets[secret.name] = (*self._secrets.get(secret.name, ()), secret)
        self._build()

    def add(self, secret: Secret) -> None:
        """Mask a secret from now on. Several values may share a name, as during rotation."""
        with self._lock:
            known = self._secrets.get(secret.name, ())
            if secret not in known:
                self._secrets[secret.name] = (*known, secret)
                self._build()

    def remove(self, name: str) -> None:
        """Forget every value of a name; nothing happens when it is not known."""
        with self._lock:
            if self._secrets.pop(name, None) is not None:
                self._build()

    def _build(self) -> None:
        forms: dict[str, _Form] = {}
        escaped: list[tuple[re.Pattern[str], str]] = []
        for secrets in self._secrets.values():
            for secret in secrets:
                marker = _marker(secret.name)
                for value in _values(secret.value):
                    for text in secret_forms(value):
                        forms.setdefault(text, _Form(text, marker))
                    if (pattern := _percent_pattern(value)) is not None:
                        escaped.append((pattern, marker))
        self._forms, self._escaped = tuple(forms.values()), tuple(escaped)

    def redact_text(self, text: str) -> str:
        """Mask secrets, and the values of headers and query keys that carry credentials."""
        return self._by_value(_mask_patterns(text))

    def redact_known(self, text: str) -> str:
        """Mask only the secrets that are known, nothing that merely looks like one."""
        return self._by_value(text)

    def redact_growing(self, text: str) -> str:
        """As `redact_known`, for a text that goes on: an end that may begin a secret is held back."""
        end = len(text)
        for form in self._forms:
            longest = min(len(form.text) - 1, len(text))
            for length in range(longest, _TELLING - 1, -1):
                if text.endswith(form.text[:length]):
                    end = min(end, len(text) - length)
                    break
        return self._by_value(text[:end])

    def redact_value(self, value: Any) -> Any:
        """A copy of a JSON-like value with secrets masked, by value and by key.

        Numbers and booleans stay, except below a key such as ``password``.
        """
        return self._value(value, "", 0)

    def redact_headers(self, headers: Mapping[str, str] | Iterable[tuple[str, str]]) -> dict[str, str]:
        """A copy of headers with credentials masked; repeated ones are joined by ``, ``."""
        result: dict[str, str] = {}
        for name, value in headers.items() if isinstance(headers, Mapping) else headers:
            safe = self._under(name) if is_sensitive_key(name) else self.redact_text(value)
            shown = self._by_value(name)
            result[shown] = f"{result[shown]}, {safe}" if shown in result else safe
        return result

    def redact_exception(self, error: BaseException) -> str:
        """The traceback of an exception and of what caused it, masked."""
        return self.redact_text("".join(traceback.format_exception(error)).rstrip("\n"))

    def _value(self, value: Any, under: str, depth: int) -> Any:
        if depth > _MAX_DEPTH:
            return _BLANK
        if isinstance(value, str):
            return self._under(under) if under else self.redact_text(value)
        if isinstance(value, Mapping):
            return {
                self._by_value(key) if isinstance(key, str) else key: self._value(
                    item, under or (key if isinstance(key, str) and is_sensitive_key(key) else ""), depth + 1
                )
                for key, item in value.items()
            }
        if isinstance(value, list | tuple):
            return [self._value(item, under, depth + 1) for item in value]
        if isinstance(value, bytes | bytearray):
            return (
                self._under(under)
                if under
                else self.redact_text(bytes(value).decode("utf-8", "backslashreplace"))
            )
        if under and value is not None and not isinstance(value, bool) and "token" not in _words(under):
            return self._under(under)
        return value

    def _under(self, key: str) -> str:
        return self._by_value(_key_marker(key))

    def _by_value(self, text: str) -> str:
        if not self._forms:
            return text
        found = self._replace(text, None)
        if found is text:
            return text
        # A marker, or its seam with the text around it, may itself read like a secret.
        if self._spans(found):
            found = self._replace(text, _BLANK)
            if self._spans(found):
                return _BLANK
        return found

    def _replace(self, text: str, marker: str | None) -> str:
        spans = self._spans(text)
        if not spans:
            return text
        pieces: list[str] = []
        end = 0
        for start, stop, own in sorted(spans):
            if start >= end:
                pieces += (text[end:start], marker or own)
            end = max(end, stop)
        pieces.append(text[end:])
        return "".join(pieces)

    def _spans(self, text: str) -> list[tuple[int, int, str]]:
        # Plain substring search: ten times as fast as one compiled alternation of all forms.
        spans: list[tuple[int, int, str]] = []
        for form in self._forms:
            start = text.find(form.text)
            while start != -1:
                spans.append((start, start + len(form.text), form.marker))
                start = text.find(form.text, start + 1)
        if self._escaped and ("%" in text or "+" in text):
            for pattern, marker in self._escaped:
                spans += ((match.start(), match.end(), marker) for match in pattern.finditer(text))
        return spans


def secret_forms(value: str) -> tuple[str, ...]:
    """The forms in which a value is looked for; none when it is too short.

    Percent-encoding is looked for beyond these, with any choice of encoded special characters.
    """
    if len(value) < MIN_SECRET_LENGTH:
        return ()
    raw = value.encode("utf-8", "surrogatepass")
    ascii_json = json.dumps(value)[1:-1]
    plain_json = json.dumps(value, ensure_ascii=False)[1:-1]
    forms = [value, ascii_json, plain_json]
    forms += [form.replace("/", "\\/") for form in (ascii_json, plain_json)]
    forms.append(re.sub(r"\\u[0-9a-f]{4}", lambda match: "\\u" + match[0][2:].upper(), ascii_json))
    # JSON inside a JSON string, as in a log line that quotes a request body.
    forms += [json.dumps(form)[1:-1] for form in (ascii_json, plain_json)]
    forms += [repr(value)[1:-1], repr(raw)[2:-1], html.escape(value), html.escape(value, quote=False)]
    for safe in ("", "/", "!*'()~", "!$&'()*+,;=:@/?~"):
        encoded = quote(raw, safe=safe)
        forms += (encoded, re.sub(r"%[0-9A-F]{2}", lambda match: match[0].lower(), encoded))
    forms.append(quote_plus(raw))
    for alignment in range(3):
        core = _base64_core(raw, alignment)
        forms += (core, core.replace("+", "-").replace("/", "_"))
    return tuple(form for form in dict.fromkeys(forms) if len(form) >= MIN_SECRET_LENGTH)


def _base64_core(raw: bytes, alignment: int) -> str:
    """The characters of base64 that depend on `raw` alone when `alignment` bytes stand before it."""
    encoded = base64.b64encode(b"\0" * alignment + raw).decode("ascii")
    first = (0, 2, 3)[alignment]
    whole = (alignment + len(raw)) * 8 // 6
    return encoded[first:whole]


def _percent_pattern(value: str) -> re.Pattern[str] | None:
    """Finds a value with any of its special characters percent-encoded, in either case."""
    if len(value) < MIN_SECRET_LENGTH or re.fullmatch(r"[A-Za-z0-9_.-]+", value):
        return None
    parts: list[str] = []
    for char in value:
        if re.fullmatch(r"[A-Za-z0-9_.-]", char):
            parts.append(char if char != "." and char != "-" else re.escape(char))
            continue
        encoded = "".join(
            f"%{_any_case(byte >> 4)}{_any_case(byte & 15)}" for byte in char.encode("utf-8", "surrogatepass")
        )
        space = r"|\+" if char == " " else ""
        parts.append(f"(?:{re.escape(char)}|{encoded}{space})")
    return re.compile("".join(parts))


def _any_case(digit: int) -> str:
    return f"{digit:x}" if digit < 10 else f"[{digit:x}{digit:X}]"


def _values(value: str) -> Iterable[str]:
    """A secret, without the white space a file may have added, and its lines where it has several."""
    yield value
    stripped = value.strip()
    if stripped != value:
        yield stripped
    lines = value.splitlines()
    if len(lines) > 1:
        yield from (
            line.strip() for line in lines if len(line.strip()) >= _MIN_LINE and not line.startswith("-----")
        )


def _marker(name: str) -> str:
    return f"[redacted:{re.sub(r'[^A-Za-z0-9_.-]+', '_', name)[:64]}]"


# By key.

_SENSITIVE_WORDS = frozenset(
    {
        "apikey",
        "authorization",
        "cookie",
        "cookies",
        "credential",
        "credentials",
        "passphrase",
        "passwd",
        "password",
        "passwords",
        "pwd",
        "secret",
        "secrets",
        "token",
    }
)
_SENSITIVE_PAIRS = frozenset(
    {("access", "key"), ("api", "key"), ("encryption", "key"), ("master", "key"), ("private", "key"),
     ("signing", "key"), ("x", "amz"), ("x", "goog")}
)  # fmt: skip
# Names that end in a sensitive word and hold none: how many tokens, where the next page starts.
_HARMLESS_KEYS = frozenset(
    {"next_token", "page_token", "continuation_token", "next_page_token", "auth_type", "token_type"}
)


def _words(key: str) -> list[str]:
    spaced = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", key)
    return [word for word in re.split(r"[^A-Za-z0-9]+", spaced.lower()) if word]


def is_sensitive_key(key: str) -> bool:
    """Whether what stands under this name (of a header, a field, a query key) is a credential."""
    return len(key) <= 200 and _is_sensitive(key)


@lru_cache(maxsize=1024)
def _is_sensitive(key: str) -> bool:
    # Every request has the same few headers.
    words = _words(key)
    if "_".join(words) in _HARMLESS_KEYS:
        return False
    return not _SENSITIVE_WORDS.isdisjoint(words) or not _SENSITIVE_PAIRS.isdisjoint(pairwise(words))


def _key_marker(key: str) -> str:
    return _marker("_".join(_words(key)))


# By pattern, in text that has no keys.

_TEXT_PATTERNS = re.compile(
    r"""
    (?P<header>\b(?P<header_name>(?:proxy-)?authorization|(?:set-)?cookie|(?:x-)?(?:goog-)?(?:api-key|auth-token)
        |x-amz-security-token)\b(?:\\{0,3}["']?\s{0,4}[:=]|\\{0,3}["'],)\s{0,4}(?:b?\\{0,3}["'])?)
        (?P<header_value>(?!b?\\{0,3}["'])[^\s"'\[\\][^"'\r\n]*)
    | (?P<scheme>\b(?:bearer|basic)\s+)(?P<scheme_value>[A-Za-z0-9._~+/=-]{8,})
    | (?P<query>[?&;](?P<query_name>x-amz-[a-z0-9-]+|x-goog-[a-z0-9-]+|sig|signature|api_?key|key
        |awsaccesskeyid|(?:[a-z]+[_-])?(?:token|secret|password))=)(?P<query_value>[^&\s"'<>#;\[][^&\s"'<>#;]*)
    | (?P<userinfo>://)(?P<userinfo_value>[^\s/?#@"'<>\[]{1,256})@
    """,
    re.IGNORECASE | re.VERBOSE,
)
# One quick look decides whether the pattern is worth running.
_HINTS = re.compile(
    r"authorization|cookie|bearer|basic|-key|-token|[?&;][^=&\s]{1,100}=|://[^\s/]{1,256}@", re.IGNORECASE
)


def _mask_patterns(text: str) -> str:
    return _TEXT_PATTERNS.sub(_mask_match, text) if _HINTS.search(text) else text


def _mask_match(match: re.Match[str]) -> str:
    kind = (match.lastgroup or "").removesuffix("_value")
    names = {"header": match["header_name"], "scheme": "authorization", "query": match["query_name"]}
    end = "@" if kind == "userinfo" else ""
    return f"{match[kind]}{_key_marker(names.get(kind, kind))}{end}"


# Logging.

_STANDARD_ATTRIBUTES = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}


class RedactingFilter(logging.Filter):
    """Masks a record: its message, its exception, its stack and its extra fields."""

    def __init__(self, redactor: Redactor) -> None:
        super().__init__()
        self.redactor = redactor

    def filter(self, record: logging.LogRecord) -> bool:
        try:
            message = record.getMessage()
        except Exception:
            # logging would print the raw arguments to standard error.
            message = f"{record.msg} (the arguments of this log call do not fit its text)"
        record.msg, record.args = self.redactor.redact_text(message), None
        if record.exc_info:
            error = record.exc_info[1]
            record.exc_text = self.redactor.redact_exception(error) if error is not None else None
            # Formatters print exc_text when it is there; those that read exc_info would undo the mask.
            record.exc_info = None
        elif record.exc_text:
            record.exc_text = self.redactor.redact_text(record.exc_text)
        if record.stack_info:
            record.stack_info = self.redactor.redact_text(record.stack_info)
        for name in vars(record).keys() - _STANDARD_ATTRIBUTES:
            setattr(record, name, self.redactor.redact_value({name: getattr(record, name)})[name])
        return True


def install_redaction(redactor: Redactor, *, logger: logging.Logger | None = None) -> None:
    """Mask everything the handlers of a logger write; the root logger's by default.

    Call it after logging is configured: handlers added later are not covered. The handler of last
    resort, used when there is no other, is covered too. Calling it again replaces the redactor.
    """
    handlers = list((logger or logging.getLogger()).handlers)
    if logging.lastResort is not None:
        handlers.append(logging.lastResort)
    for handler in handlers:
        for old in [known for known in handler.filters if isinstance(known, RedactingFilter)]:
            handler.removeFilter(old)
        handler.addFilter(RedactingFilter(redactor))
