"""Amazon Web Services: Rekognition, as the provider ``rekognition`` of ``moderation.check``."""

from __future__ import annotations

from typing import Annotated

from hookline.sdk import BadInput, ConnectionContext, Connector, Field

from .rekognition import Rekognition, Settings

__all__ = ["REQUIRES", "aws", "connect"]

REQUIRES = ("boto3",)

aws = Connector(
    "aws",
    title="Amazon Web Services",
    docs="https://docs.aws.amazon.com/rekognition/latest/APIReference/API_DetectModerationLabels.html",
)


@aws.connection
def connect(
    ctx: ConnectionContext,
    region: Annotated[str, Field("Region.", env="AWS_REGION", examples=["eu-west-1"])] = "",
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
    endpoint_url: Annotated[
        str,
        Field(
            "Address of Rekognition; AWS's own when empty.",
            format="uri",
            advanced=True,
            env="AWS_ENDPOINT_URL_REKOGNITION",
        ),
    ] = "",
) -> Rekognition:
    """Open a client."""
    if bool(access_key_id) != bool(secret_access_key):
        raise BadInput("access_key_id and secret_access_key belong together", hint="set both or neither")
    return Rekognition(
        Settings(
            region or ctx.setting("AWS_DEFAULT_REGION"),
            access_key_id,
            secret_access_key,
            session_token,
            endpoint_url,
        )
    )
