"""OpenAI: moderation of texts and pictures, as a provider of ``moderation.check``."""

from __future__ import annotations

from typing import Annotated

from hookline.sdk import ConnectionContext, Connector, Field

from .moderation import PINNED, OpenAI

__all__ = ["connect", "openai"]

openai = Connector("openai", title="OpenAI", docs="https://platform.openai.com/docs/guides/moderation")


@openai.connection
def connect(
    ctx: ConnectionContext,
    api_key: Annotated[
        str, Field("API key; moderation itself costs nothing.", secret=True, env="OPENAI_API_KEY")
    ],
    base_url: Annotated[
        str, Field("Address of the API, with /v1.", format="uri", env="OPENAI_BASE_URL", advanced=True)
    ] = "https://api.openai.com/v1",
    moderation_model: Annotated[
        str,
        Field(
            "Model of moderation. Pinned, because the scores of a -latest model drift under your thresholds.",
            advanced=True,
            examples=["omni-moderation-2024-09-26", "omni-moderation-latest"],
        ),
    ] = PINNED,
) -> OpenAI:
    """Open a client."""
    http = ctx.http(base_url.rstrip("/") + "/", headers={"Authorization": f"Bearer {api_key}"})
    return OpenAI(http, moderation_model)


@openai.on_test
async def check_key(client: OpenAI) -> str:
    """Whether the key may moderate."""
    found = await client.moderate(text="hello")
    return f"the key may use {found.model}"
