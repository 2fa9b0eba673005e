"""Azure AI Content Safety: texts and pictures, as the provider ``azure`` of ``moderation.check``."""

from __future__ import annotations

from typing import Annotated

from hookline.sdk import ConnectionContext, Connector, Field

from .client import ContentSafety

__all__ = ["azure_content_safety", "connect"]

azure_content_safety = Connector(
    "azure_content_safety",
    title="Azure AI Content Safety",
    docs="https://learn.microsoft.com/azure/ai-services/content-safety/overview",
)


@azure_content_safety.connection
def connect(
    ctx: ConnectionContext,
    endpoint: Annotated[
        str,
        Field(
            "Address of the resource.",
            format="uri",
            env="AZURE_CONTENT_SAFETY_ENDPOINT",
            examples=["https://example.cognitiveservices.azure.com"],
        ),
    ],
    key: Annotated[str, Field("Key of the resource.", secret=True, env="AZURE_CONTENT_SAFETY_KEY")],
    blocklists: Annotated[
        list[str] | None, Field("Names of your blocklists that texts are compared with.", advanced=True)
    ] = None,
    api_version: Annotated[str, Field("Version of the API.", advanced=True)] = "2024-09-01",
) -> ContentSafety:
    """Open a client."""
    http = ctx.http(f"{endpoint.rstrip('/')}/", headers={"Ocp-Apim-Subscription-Key": key})
    return ContentSafety(http, api_version, tuple(blocklists or ()))


@azure_content_safety.on_test
async def check_key(client: ContentSafety) -> str:
    """Whether the key may analyse."""
    await client.moderate(text="hello")
    return "the key may analyse texts"
