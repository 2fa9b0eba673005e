"""Headers that every answer carries, whoever makes it: a view, the short way in, or the server itself."""

from __future__ import annotations

__all__ = ["SECURITY_HEADERS"]

SECURITY_HEADERS = (
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "same-origin"),
    (
        "Content-Security-Policy",
        "default-src 'self'; script-src 'self'; object-src 'none'; frame-ancestors 'none'; base-uri 'none';"
        " form-action 'self'",
    ),
    ("Cross-Origin-Resource-Policy", "same-origin"),
)
"""On every answer, unless the view has set its own."""
