"""The Google Drive connector and its connection.

Requests go to one address, which the operator sets, and to the token endpoint; a credential goes
nowhere else. No library of Google's is used: the requests pass the guarded client like all others.
"""

from __future__ import annotations

from typing import Annotated, Literal
from urllib.parse import urlsplit

from hookline.sdk import BadInput, ConnectionContext, Connector, Field, Http, Limit

from .api import Api
from .credentials import Credential, RefreshToken, ServiceAccount
from .drive import Drive
from .errors import told
from .push import Pushes
from .tokens import Tokens

__all__ = ["check", "connect", "google_drive"]

_SCOPE = "https://www.googleapis.com/auth/drive"

google_drive = Connector(
    "google_drive",
    title="Google Drive",
    docs="https://developers.google.com/workspace/drive/api/reference/rest/v3",
)


@google_drive.connection(
    schemes=("gdrive",),
    limits=[Limit("requests")],
    told=told,
    one_of=[("service_account_key",), ("client_id", "client_secret", "refresh_token")],
)
def connect(
    ctx: ConnectionContext,
    service_account_key: Annotated[
        str,
        Field(
            "The JSON key file of a service account, all of its text.",
            secret=True,
            env="GOOGLE_SERVICE_ACCOUNT_KEY",
        ),
    ] = "",
    client_id: Annotated[
        str, Field("Id of the OAuth client, to connect as a person.", env="GOOGLE_CLIENT_ID")
    ] = "",
    client_secret: Annotated[
        str, Field("The OAuth client's secret.", secret=True, env="GOOGLE_CLIENT_SECRET")
    ] = "",
    refresh_token: Annotated[
        str,
        Field("What the person's consent gave once.", secret=True, env="GOOGLE_REFRESH_TOKEN"),
    ] = "",
    access: Annotated[
        Literal["write", "read"],
        Field(
            "What a service account asks to be allowed.",
            advanced=True,
            options={
                "write": "To read and write what is shared with it.",
                "read": "To read only.",
            },
        ),
    ] = "write",
    base_url: Annotated[
        str,
        Field("Address of Google's API.", format="uri", env="GOOGLE_DRIVE_BASE_URL", advanced=True),
    ] = "https://www.googleapis.com",
    token_url: Annotated[
        str,
        Field("Address that gives out access tokens.", format="uri", env="GOOGLE_TOKEN_URL", advanced=True),
    ] = "https://oauth2.googleapis.com/token",  # noqa: S107 - an address, no credential
) -> Drive:
    """Read and write files of Google Drive."""
    for name, address in (("base_url", base_url), ("token_url", token_url)):
        _check_address(name, address)
    credential = _credential(service_account_key, client_id, client_secret, refresh_token, access)
    tokens = Tokens(ctx.http(_origin(token_url)), token_url, credential, ctx.now)

    def authorized(token: str) -> Http:
        # A token is another one every hour; the limits are the account's.
        return ctx.http(base_url, headers={"Authorization": f"Bearer {token}"}, account=credential.account)

    api = Api(authorized, tokens, base_url.rstrip("/"))
    secret = service_account_key or refresh_token
    pushes = Pushes(api, ctx.setting("HOOKLINE_BASE_URL"), secret)
    account = credential.account if service_account_key else "the person whose consent the connection has"
    return Drive(ctx.name, api, pushes, account)


@google_drive.on_test
async def check(client: Drive) -> str:
    """Prove the credential: whose it is."""
    answer = await client.api.ask(
        "GET", "drive/v3/about", "asking who this is", params={"fields": "user(emailAddress)"}
    )
    user = answer.get("user")
    email = user.get("emailAddress") if isinstance(user, dict) else None
    return str(email or "an account of Google Drive")


def _credential(key: str, client_id: str, client_secret: str, refresh_token: str, access: str) -> Credential:
    person = (client_id, client_secret, refresh_token)
    if key and any(person):
        raise BadInput(
            "a connection is a service account's or a person's, not both",
            hint="set service_account_key, or client_id, client_secret and refresh_token",
        )
    if key:
        return ServiceAccount.parse(key, _SCOPE if access == "write" else f"{_SCOPE}.readonly")
    return RefreshToken(*person)


def _check_address(name: str, address: str) -> None:
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query:
        raise BadInput(
            f"{name} {parts.scheme}://{parts.hostname or ''} is not usable",
            hint="leave it out: Google's own address is the default",
        )


def _origin(address: str) -> str:
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}"
