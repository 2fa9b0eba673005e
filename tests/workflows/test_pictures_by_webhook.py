"""Pictures that an app asks for: one from a prompt, and many from a list of addresses."""

from __future__ import annotations

import io
from collections.abc import Generator, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from hookline.cli.demo_picture import paint_evening
from hookline.testing.cog import CogServer
from hookline.testing.httpd import Response
from hookline.testing.replicate import FileValue, Model, ReplicateStandIn, openapi_schema
from hookline.testing.replicate.plans import Step
from hookline.testing.s3 import S3Server
from hookline.testing.slack import SlackStandIn

from .conftest import Site
from .installation import install, texts, wait_until

Image = pytest.importorskip("PIL.Image", reason="Pillow is not installed: pip install hookline[images]")


def _paint(values: Mapping[str, Any]) -> Generator[Step, None, Any]:
    """What an official model of Replicate would do with a prompt: here, the same evening for everybody."""
    with Image.open(io.BytesIO(paint_evening())) as evening:
        target = io.BytesIO()
        evening.resize((300, 200)).save(target, values["output_format"])
    yield from ()
    return [
        FileValue(target.getvalue(), f"image/{values['output_format']}", f"out-0.{values['output_format']}")
    ]


FLUX = Model(
    "black-forest-labs",
    "flux-schnell",
    "Takes the parameters that the starter gives.",
    openapi_schema(
        {"prompt": {"type": "string"}, "output_format": {"type": "string", "default": "webp"}},
        ["prompt"],
        {"type": "array", "items": {"type": "string", "format": "uri"}},
    ),
    _paint,
    official=True,
)


@pytest.fixture
def replicate() -> Iterator[ReplicateStandIn]:
    with ReplicateStandIn(models=[FLUX]) as running:
        yield running
        assert running.failures == []


@pytest.fixture
def environment(s3: S3Server, slack: SlackStandIn) -> dict[str, str]:
    return {
        **s3.environment,
        "AWS_REGION": "us-east-1",
        "SLACK_BASE_URL": slack.api_url,
        "SLACK_BOT_TOKEN": slack.token,
    }


def files_below(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_prompt_becomes_a_stored_picture_and_a_message_once(
    tmp_path: Path,
    s3: S3Server,
    slack: SlackStandIn,
    replicate: ReplicateStandIn,
    environment: dict[str, str],
) -> None:
    environment |= {"REPLICATE_BASE_URL": replicate.base_url, "REPLICATE_API_TOKEN": replicate.token}
    with install(
        tmp_path / "project",
        "webhook-picture",
        "store-picture",
        environment=environment,
        origins=(replicate.base_url, replicate.cdn_url, slack.base_url),
    ) as hookline:
        body = {"prompt": "a lighthouse at dusk"}
        first = hookline.post_as_app("pictures", body, **{"X-Request-Id": "order-1"})
        again = hookline.post_as_app("pictures", body, **{"X-Request-Id": "order-1"})
        run = hookline.succeeded("webhook-picture")
        called = hookline.succeeded("store-picture")

    assert (first.status_code, again.status_code) == (202, 200)
    assert again.json()["duplicate"] is True
    assert again.json()["runs"] == first.json()["runs"] == [run["id"]]
    assert len(replicate.creates) == 1
    ((key, content),) = files_below(s3.root / "processed").items()
    assert key == f"prompts/{run['id']}.png"
    with Image.open(io.BytesIO(content)) as picture:
        assert (picture.format, picture.size) == ("PNG", (300, 200))
    assert called["parent"]["run"] == run["id"]
    assert texts(slack, "art") == [f"*a lighthouse at dusk*\ns3://processed/{key}"]


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        ({"prompt": "a lighthouse"}, {"Authorization": "Bearer somebody else", "X-Request-Id": "1"}, 401),
        ({"prompt": "a lighthouse"}, {}, 422),
        ({"prompt": 7}, {"X-Request-Id": "1"}, 422),
    ],
    ids=["a wrong secret", "no request id", "a wrong body"],
)
def test_a_request_that_is_not_right_makes_no_picture(
    tmp_path: Path,
    slack: SlackStandIn,
    replicate: ReplicateStandIn,
    environment: dict[str, str],
    body: Any,
    headers: dict[str, str],
    status: int,
) -> None:
    environment |= {"REPLICATE_BASE_URL": replicate.base_url, "REPLICATE_API_TOKEN": replicate.token}
    with install(
        tmp_path / "project",
        "webhook-picture",
        "store-picture",
        environment=environment,
        origins=(replicate.base_url, slack.base_url),
    ) as hookline:
        assert hookline.post_as_app("pictures", body, **headers).status_code == status
        assert hookline.runs("webhook-picture") == []
    assert replicate.creates == []


def test_a_prompt_that_is_not_allowed_costs_nothing(
    tmp_path: Path, slack: SlackStandIn, replicate: ReplicateStandIn, environment: dict[str, str]
) -> None:
    environment |= {"REPLICATE_BASE_URL": replicate.base_url, "REPLICATE_API_TOKEN": replicate.token}
    with install(
        tmp_path / "project",
        "webhook-picture",
        "store-picture",
        environment=environment,
        origins=(replicate.base_url, slack.base_url),
    ) as hookline:
        hookline.post_as_app("pictures", {"prompt": "an asshole"}, **{"X-Request-Id": "1"})
        run = hookline.finished("webhook-picture")
    assert run["status"] == "canceled"
    assert replicate.creates == []


def test_a_list_of_pictures_is_restyled_and_a_bad_address_spoils_nothing(
    tmp_path: Path, s3: S3Server, slack: SlackStandIn, cog: CogServer, site: Site, environment: dict[str, str]
) -> None:
    photo = paint_evening()
    for name in ("a", "b", "c"):
        site.answers[f"/{name}.jpg"] = Response(200, photo, "image/jpeg")
    images = [f"{site.url}/{name}.jpg" for name in ("a", "missing", "b", "c")]
    with install(
        tmp_path / "project",
        "restyle-batch",
        "store-picture",
        environment={**environment, "COG_BASE_URL": cog.base_url},
        origins=(cog.base_url, slack.base_url, site.url),
        change=lambda text: text.replace('"delay": "1s"', '"delay": "50ms"'),
    ) as hookline:
        hookline.post_as_app("batches", {"style": "sepia", "images": images})
        run = hookline.succeeded("restyle-batch")
        wait_until(lambda: len(hookline.runs("store-picture")) == 3)

    stored = files_below(s3.root / "processed")
    assert sorted(stored) == [f"batches/{run['id']}/{index}.png" for index in (0, 2, 3)]
    assert len(set(stored.values())) == 1, "the same picture in the same style"
    with Image.open(io.BytesIO(stored[f"batches/{run['id']}/0.png"])) as picture:
        assert picture.format == "PNG"
    assert run["output"]["failed"] == 1
    assert run["output"]["stored"] == [f"s3://processed/{key}" for key in sorted(stored)]
    assert texts(slack, "art") == ["3 of 4 pictures are restyled, 1 failed."]
