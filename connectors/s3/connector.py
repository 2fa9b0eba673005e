"""S3 and everything that speaks its API: MinIO, Cloudflare R2, Backblaze B2, Ceph, rclone, …"""

from __future__ import annotations

from typing import Annotated, Literal, TypedDict
from urllib.parse import urlsplit

from hookline.sdk import (
    AuthenticationFailed,
    BadInput,
    ConnectionContext,
    Connector,
    Context,
    Example,
    Field,
    File,
)

from .address import Address
from .client import MAX_EXPIRES, S3
from .errors import code_of
from .services import Services
from .session import Session, Settings

__all__ = ["REQUIRES", "connect", "list_objects", "presign", "s3"]

REQUIRES = ("boto3",)

s3 = Connector("s3", title="S3", docs="https://docs.aws.amazon.com/AmazonS3/latest/API/Welcome.html")


@s3.connection(schemes=("s3",))
def connect(
    ctx: ConnectionContext,
    endpoint_url: Annotated[
        str,
        Field(
            "Address of an S3-compatible store. Empty for AWS.",
            env="AWS_ENDPOINT_URL_S3",
            format="uri",
            examples=["http://localhost:9000", "https://ACCOUNT.r2.cloudflarestorage.com"],
        ),
    ] = "",
    region: Annotated[
        str,
        Field("Region of the buckets; `auto` for Cloudflare R2.", env="AWS_REGION", examples=["eu-west-1"]),
    ] = "",
    access_key_id: Annotated[
        str,
        Field(
            "Access key. Empty: as boto3 finds it (environment, shared file, role of the machine).",
            env="AWS_ACCESS_KEY_ID",
        ),
    ] = "",
    secret_access_key: Annotated[
        str, Field("The access key's secret.", secret=True, env="AWS_SECRET_ACCESS_KEY")
    ] = "",
    session_token: Annotated[
        str, Field("Token of temporary credentials.", secret=True, advanced=True, env="AWS_SESSION_TOKEN")
    ] = "",
    addressing_style: Annotated[
        Literal["auto", "path", "virtual"],
        Field(
            "Where the bucket's name stands.",
            advanced=True,
            options={
                "auto": "In the path where endpoint_url is given, else as AWS wants it.",
                "path": "In the path: endpoint/bucket/key.",
                "virtual": "In the host: bucket.endpoint/key.",
            },
        ),
    ] = "auto",
    sqs_endpoint_url: Annotated[
        str,
        Field(
            "Address of SQS, for queues that uploads are told to. Empty for AWS.",
            advanced=True,
            env="AWS_ENDPOINT_URL_SQS",
            format="uri",
            examples=["http://localhost:9324"],
        ),
    ] = "",
) -> S3:
    """Read and write objects of an S3-compatible store."""
    for name, address in (("endpoint_url", endpoint_url), ("sqs_endpoint_url", sqs_endpoint_url)):
        if address:
            _check_endpoint(name, address)
    if bool(access_key_id) != bool(secret_access_key):
        raise BadInput("access_key_id and secret_access_key belong together", hint="set both or neither")
    settings = Settings(
        endpoint_url,
        region or ctx.setting("AWS_DEFAULT_REGION"),
        access_key_id,
        secret_access_key,
        session_token,
        addressing_style,
    )
    return S3(ctx.name, Session(settings), Services(settings, sqs_endpoint_url))


@s3.on_test
async def check(client: S3) -> str:
    """Prove the credentials: only a rightly signed request gets past the signature check."""
    where = client.session.settings.endpoint_url or "AWS"
    try:
        answer = await client.session.call("listing the buckets", lambda boto: boto.list_buckets())
    except AuthenticationFailed as error:
        if code_of(error.__cause__) == "AccessDenied":
            return f"{where}: the key is valid; it may not list the buckets"
        raise
    count = len(answer.get("Buckets", ()))
    return f"{where}: {count} bucket{'' if count == 1 else 's'}"


class Presigned(TypedDict):
    """A signed address."""

    url: Annotated[str, Field("Address that anybody who has it can read the object at.", secret=True)]
    expires_in: Annotated[int, Field("Seconds until it stops working.")]


@s3.action(
    "presign",
    effect="read",
    summary="Signed an address for {expires_in} s",
    docs="https://docs.aws.amazon.com/AmazonS3/latest/userguide/ShareObjectPreSignedURL.html",
    examples=[Example({"file": "s3://uploads/raw/cat.png", "expires_in": 600}, title="For ten minutes")],
)
async def presign(
    ctx: Context,
    file: Annotated[File | str, Field("The object: a file reference, or s3://bucket/key.")],
    expires_in: Annotated[
        int, Field("Seconds until it stops working; seven days at most.", minimum=1, maximum=MAX_EXPIRES)
    ] = 3600,
    version_id: Annotated[
        str,
        Field(
            "A version of the object; when empty the one that the file means, or else the newest.",
            advanced=True,
        ),
    ] = "",
) -> Presigned:
    """Presign.

    Makes an address at which an object can be read without any other credential. It is a secret: whoever
    sees it can read the object. With temporary credentials it stops working when they do.
    """
    client: S3 = ctx.connection
    uri, version = (file.uri, file.version) if isinstance(file, File) else (file, None)
    url = await client.presign(uri, expires_in, version_id=version_id or version or "")
    return {"url": url, "expires_in": expires_in}


class ListedObject(TypedDict):
    """An object in a listing."""

    key: Annotated[str, Field("The object's key.")]
    bytes: Annotated[int, Field("Size in bytes.")]
    etag: Annotated[str, Field("The store's version of it.")]
    last_modified: Annotated[str, Field("When it was written.", format="date-time")]
    file: Annotated[File, Field("Reference to it.")]


class Listing(TypedDict):
    """Objects, in the order of their keys."""

    objects: Annotated[list[ListedObject], Field("The objects found.")]
    more: Annotated[bool, Field("There are more than were asked for.")]


@s3.action(
    "list",
    effect="read",
    summary="Listed s3://{bucket}/{prefix}",
    docs="https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html",
)
async def list_objects(
    ctx: Context,
    bucket: Annotated[str, Field("Name of the bucket.")],
    prefix: Annotated[str, Field("Only keys that start with this.", examples=["raw/"])] = "",
    start_after: Annotated[str, Field("Only keys behind this one.", advanced=True)] = "",
    max_objects: Annotated[int, Field("Most objects to return.", minimum=1, maximum=10_000)] = 1000,
) -> Listing:
    """List objects.

    Lists the objects of a bucket, in the order of their keys. Folder markers (`raw/`) are included.
    """
    client: S3 = ctx.connection
    found: list[ListedObject] = []
    token = ""
    while True:
        limit = min(max_objects - len(found), 1000)
        page = await client.list_page(bucket, prefix, token, start_after=start_after, limit=limit)
        for each in page.objects:
            file = client.file(Address(bucket, each.key), size=each.bytes, etag=each.etag)
            found.append(
                {
                    "key": each.key,
                    "bytes": each.bytes,
                    "etag": each.etag,
                    "last_modified": each.last_modified.isoformat().replace("+00:00", "Z"),
                    "file": file.to_json(),  # type: ignore[typeddict-item]
                }
            )
        token = page.next
        if not token or len(found) >= max_objects:
            return {"objects": found, "more": bool(token)}


def _check_endpoint(name: str, endpoint_url: str) -> None:
    parts = urlsplit(endpoint_url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query:
        raise BadInput(
            f"{name} {parts.scheme}://{parts.hostname or ''} is not usable",
            hint="write https://host or http://host:port, without a user name",
        )
