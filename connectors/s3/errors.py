"""What boto3 raises, as what the engine understands.

Every call that this connector makes can be repeated: reading changes nothing, and writing the same
bytes to the same key again gives the same object. So a lost answer is `Unavailable`, not
`OutcomeUnknown`.

Source: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
"""

from __future__ import annotations

from typing import Any

from hookline.sdk import (
    ActionError,
    AlreadyExists,
    AuthenticationFailed,
    BadInput,
    NotFound,
    RateLimited,
    Unavailable,
)

__all__ = ["EXPIRED", "code_of", "translate"]

EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired"})
_MISSING = frozenset({"NoSuchKey", "NoSuchBucket", "NoSuchVersion", "NoSuchUpload", "NotFound", "404"})
_REFUSED = frozenset(
    {"AccessDenied", "AllAccessDisabled", "AccountProblem", "InvalidAccessKeyId", "InvalidToken"}
    | {"SignatureDoesNotMatch", "Forbidden", "Unauthorized", "401", "403", "MissingSecurityHeader"}
)
_SLOW = frozenset(
    {"SlowDown", "Throttling", "ThrottlingException", "RequestLimitExceeded", "TooManyRequests"}
)
_TRANSIENT = frozenset(
    {"InternalError", "ServiceUnavailable", "RequestTimeout", "RequestTimeoutException", "OperationAborted"}
    | {"ConditionalRequestConflict"}
    | {"503 SlowDown", "Busy", "IncompleteBody", "BadDigest", "XAmzContentSHA256Mismatch"}
)
_ELSEWHERE = frozenset(
    {"PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException"}
)
_EXISTS = 412
_GONE = "there is no such object or bucket, or the key may not see it"
_TAKEN = "choose another if_exists: overwrite, rename or skip"
_TOO_MANY = 429
_SERVER = 500


def code_of(error: BaseException | None) -> str:
    """The service's own code, ``""`` when the error is not an answer."""
    response: Any = getattr(error, "response", None)
    return str(response.get("Error", {}).get("Code", "")) if isinstance(response, dict) else ""


def translate(error: Exception, what: str) -> ActionError:
    """The error to raise in place of one of boto3's.

    Args:
        what: What was being done, for the message: ``reading s3://bucket/key``.
    """
    from botocore import exceptions as boto

    detail = f"{type(error).__name__}: {error}"
    if isinstance(error, boto.ClientError):
        return _answered(error, what, detail)
    if isinstance(
        error, boto.NoCredentialsError | boto.PartialCredentialsError | boto.CredentialRetrievalError
    ):
        return AuthenticationFailed(
            f"{what}: there are no credentials", hint="configure the s3 connection", detail=detail
        )
    if isinstance(error, boto.ParamValidationError | boto.InvalidRegionError | boto.UnsupportedS3ArnError):
        return BadInput(f"{what}: a value is not acceptable to S3", detail=detail)
    if isinstance(error, boto.BotoCoreError):
        return Unavailable(f"{what}: the store cannot be reached", detail=detail)
    return Unavailable(f"{what}: the connection to the store broke", detail=detail)


def _answered(error: Any, what: str, detail: str) -> ActionError:
    code = code_of(error)
    metadata = error.response.get("ResponseMetadata", {})
    status = int(metadata.get("HTTPStatusCode") or 0)
    message = f"{what}: the store answered {code[:60] or status}"
    if code == "PreconditionFailed" or status == _EXISTS:
        # The only condition this connector sets on what it writes.
        return AlreadyExists(message, hint=_TAKEN, detail=detail)
    if code in _MISSING or status == 404:
        return NotFound(message, hint=_GONE, detail=detail)
    if code in EXPIRED:
        return AuthenticationFailed(
            message, hint="the session's credentials have expired; renew them", detail=detail
        )
    if code == "RequestTimeTooSkewed":
        return AuthenticationFailed(message, hint="this machine's clock is wrong; set it", detail=detail)
    if code == "InvalidObjectState":
        return BadInput(message, hint="the object is archived; restore it first", detail=detail)
    if code in _REFUSED or status in (401, 403):
        return AuthenticationFailed(
            message, hint="check the key, its secret and what it is allowed to do", detail=detail
        )
    if code in _SLOW or code.startswith("Throttl") or status == _TOO_MANY:
        return RateLimited(message, retry_after=_retry_after(metadata), detail=detail)
    if code in _TRANSIENT or status >= _SERVER:
        return Unavailable(message, retry_after=_retry_after(metadata), detail=detail)
    hint = "set the connection's region to the bucket's" if code in _ELSEWHERE else ""
    return BadInput(message, hint=hint, detail=detail)


def _retry_after(metadata: dict[str, Any]) -> float | None:
    given = str(metadata.get("HTTPHeaders", {}).get("retry-after", ""))
    return float(min(int(given), 3600)) if given.isascii() and given.isdigit() else None
