"""How Google's API refuses.

Source: https://developers.google.com/workspace/drive/api/guides/handle-errors
"""

from __future__ import annotations

from collections.abc import Mapping

from hookline.testing.httpd import Response

__all__ = ["DriveError", "TokenError", "bad_parameter", "not_found"]


class DriveError(Exception):
    """Answered as Google's error document.

    Args:
        reason: Google's own word for it, such as ``rateLimitExceeded``.
        location: The parameter or header that is to blame.
    """

    def __init__(
        self,
        status: int,
        reason: str,
        message: str,
        *,
        domain: str = "global",
        location: str = "",
        location_type: str = "parameter",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.message = message
        self.domain = domain
        self.location = location
        self.location_type = location_type
        self.headers = dict(headers or {})

    def response(self) -> Response:
        """The answer."""
        detail = {"message": self.message, "domain": self.domain, "reason": self.reason}
        if self.location:
            detail |= {"location": self.location, "locationType": self.location_type}
        document = {"error": {"code": self.status, "message": self.message, "errors": [detail]}}
        return Response.of(
            self.status, document, content_type="application/json; charset=UTF-8", headers=self.headers
        )


class TokenError(Exception):
    """Answered as RFC 6749, 5.2 says."""

    def __init__(self, status: int, error: str, description: str) -> None:
        super().__init__(description)
        self.status = status
        self.error = error

    def response(self) -> Response:
        """The answer."""
        return Response.of(self.status, {"error": self.error, "error_description": str(self)})


def bad_parameter(name: str, message: str = "Invalid Value", *, reason: str = "invalid") -> DriveError:
    """The error for a query parameter that cannot be used."""
    return DriveError(400, reason, message, location=name)


def not_found(file_id: str) -> DriveError:
    """The error for a file that does not exist, or that the caller may not know of."""
    return DriveError(404, "notFound", f"File not found: {file_id}.", location="fileId")
