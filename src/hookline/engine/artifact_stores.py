"""Opening the artifact store that the settings name."""

from __future__ import annotations

from typing import Any

from hookline.store.artifacts import Artifacts, ArtifactStore
from hookline.store.s3_artifacts import S3Artifacts, S3Place

from .settings import Settings, SettingsError

__all__ = ["open_artifacts"]

_CONNECT_SECONDS, _READ_SECONDS = 5, 30


def open_artifacts(settings: Settings) -> Artifacts:
    """The store of large values and files.

    Raises:
        SettingsError: artifacts_url cannot be used.
        StoreUnavailable: The folder cannot be made.
    """
    folder, url = settings.path("artifacts_dir"), settings["artifacts_url"]
    if not url:
        return ArtifactStore(folder)
    try:
        place = S3Place.parse(url)
    except ValueError as error:
        raise SettingsError(f"artifacts_url: {error}") from None
    return S3Artifacts(_client(settings), place, folder)


def _client(settings: Settings) -> Any:
    try:
        import boto3
        from botocore.config import Config
    except ImportError:
        raise SettingsError("artifacts_url needs boto3: pip install hookline[s3]") from None
    given = settings.environment.get
    endpoint = given("AWS_ENDPOINT_URL_S3", "")
    # Checksums in trailers came with boto3 1.36; R2, B2 and older MinIO refuse them.
    checksums = "when_required" if endpoint else "when_supported"
    config = Config(
        s3={"addressing_style": "path" if endpoint else "virtual"},
        signature_version="s3v4",
        request_checksum_calculation=checksums,
        response_checksum_validation=checksums,
        retries={"mode": "standard", "max_attempts": 3},
        connect_timeout=_CONNECT_SECONDS,
        read_timeout=_READ_SECONDS,
        max_pool_connections=settings.integer("server_threads"),
        tcp_keepalive=True,
    )
    session = boto3.session.Session(
        aws_access_key_id=given("AWS_ACCESS_KEY_ID") or None,
        aws_secret_access_key=given("AWS_SECRET_ACCESS_KEY") or None,
        aws_session_token=given("AWS_SESSION_TOKEN") or None,
        region_name=given("AWS_REGION") or given("AWS_DEFAULT_REGION") or None,
    )
    return session.client(
        "s3",
        region_name=session.region_name or "us-east-1",
        endpoint_url=endpoint or None,
        config=config,
    )
