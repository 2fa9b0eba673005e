"""The main job: a picture in a bucket becomes another picture in another bucket, and one message."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from hookline.cli.demo_picture import SIZE, paint_evening
from hookline.testing.cog import CogServer
from hookline.testing.replicate import ReplicateStandIn
from hookline.testing.s3 import S3Server
from hookline.testing.slack import SlackStandIn

from .installation import Installation, install, texts, wait_until

Image = pytest.importorskip("PIL.Image", reason="Pillow is not installed: pip install hookline[images]")


@pytest.fixture
def replicate(cog: CogServer) -> Iterator[ReplicateStandIn]:
    with ReplicateStandIn(cog.base_url) as running:
        yield running
        assert running.failures == []


@contextmanager
def restyling(
    folder: Path, s3: S3Server, replicate: ReplicateStandIn, slack: SlackStandIn
) -> Iterator[Installation]:
    environment = {
        **s3.environment,
        "AWS_REGION": "us-east-1",
        "REPLICATE_BASE_URL": replicate.base_url,
        "REPLICATE_API_TOKEN": replicate.token,
        "SLACK_BASE_URL": slack.api_url,
        "SLACK_BOT_TOKEN": slack.token,
    }
    with install(
        folder,
        "upload-restyle",
        environment=environment,
        origins=(replicate.base_url, replicate.cdn_url, slack.base_url),
        change=lambda text: text.replace('"interval": "15s"', '"interval": "100ms"'),
        triggers=True,
    ) as running:
        running.await_first_look("upload-restyle")
        yield running


def client_of(s3: S3Server) -> Any:
    import boto3
    from botocore.config import Config

    return boto3.client(
        "s3",
        endpoint_url=s3.endpoint_url,
        aws_access_key_id=s3.access_key,
        aws_secret_access_key=s3.secret_key,
        region_name="us-east-1",
        config=Config(s3={"addressing_style": "path"}),
    )


def put(s3: S3Server, key: str, content: bytes) -> None:
    client = client_of(s3)
    client.put_object(Bucket="uploads", Key=key, Body=content)
    client.close()


def stored(s3: S3Server) -> dict[str, bytes]:
    root = s3.root / "processed"
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_an_uploaded_picture_is_restyled_stored_and_announced_once(
    tmp_path: Path, s3: S3Server, replicate: ReplicateStandIn, slack: SlackStandIn
) -> None:
    photo = paint_evening()
    with restyling(tmp_path / "project", s3, replicate, slack) as hookline:
        put(s3, "raw/evening.jpg", photo)
        run = hookline.succeeded("upload-restyle")

    result = stored(s3)["evening.webp"]
    assert result != photo
    with Image.open(io.BytesIO(result)) as picture:
        assert (picture.format, picture.size) == ("WEBP", SIZE)
    assert [creation.fault for creation in replicate.creates] == [None]
    assert [each.event for each in replicate.deliveries if each.accepted] == ["completed"]
    assert run["cost_usd"] > 0
    assert run["output"]["url"] == "s3://processed/evening.webp"
    (message,) = texts(slack, "art")
    said, _, cost = message.removesuffix(" USD)").rpartition(" (")
    assert said == ":frame_with_picture: evening.jpg is restyled: s3://processed/evening.webp"
    assert float(cost) == pytest.approx(run["cost_usd"], abs=1e-5), "rounded for people"
    assert texts(slack, "moderation") == texts(slack, "ops") == []


def test_a_picture_with_a_bad_name_is_held_back_before_it_costs_anything(
    tmp_path: Path, s3: S3Server, replicate: ReplicateStandIn, slack: SlackStandIn
) -> None:
    with restyling(tmp_path / "project", s3, replicate, slack) as hookline:
        put(s3, "raw/asshole.png", paint_evening())
        run = hookline.succeeded("upload-restyle")

    assert {step["id"]: step["status"] for step in run["steps"]}.get("art") is None
    assert replicate.creates == []
    assert stored(s3) == {}
    (message,) = texts(slack, "moderation")
    assert "raw/asshole.png was held back" in message


def test_what_is_no_picture_is_held_back_too(
    tmp_path: Path, s3: S3Server, replicate: ReplicateStandIn, slack: SlackStandIn
) -> None:
    with restyling(tmp_path / "project", s3, replicate, slack) as hookline:
        put(s3, "raw/notes.png", b"this is only called a picture")
        hookline.succeeded("upload-restyle")

    assert replicate.creates == []
    assert len(texts(slack, "moderation")) == 1


def test_other_keys_start_nothing(
    tmp_path: Path, s3: S3Server, replicate: ReplicateStandIn, slack: SlackStandIn
) -> None:
    with restyling(tmp_path / "project", s3, replicate, slack) as hookline:
        put(s3, "other/evening.jpg", paint_evening())
        put(s3, "raw/notes.txt", b"no picture")
        # The last one is what the others would have come before.
        put(s3, "raw/asshole.png", b"")
        hookline.finished("upload-restyle")
        assert len(hookline.runs("upload-restyle")) == 1


def test_the_prediction_is_not_made_twice_when_the_answer_to_it_is_lost(
    tmp_path: Path, s3: S3Server, replicate: ReplicateStandIn, slack: SlackStandIn
) -> None:
    replicate.faults.set("create.reset_after", times=1)
    with restyling(tmp_path / "project", s3, replicate, slack) as hookline:
        put(s3, "raw/evening.jpg", paint_evening())

        def shown() -> str:
            runs = hookline.runs("upload-restyle")
            steps = {step["id"]: step["status"] for step in runs[0]["steps"]} if runs else {}
            return steps.get("art", "")

        wait_until(lambda: shown() in ("unknown", "succeeded", "waiting"))
        assert len(replicate.creates) == 1
        hookline.succeeded("upload-restyle")
    assert len(replicate.creates) == 1
    assert len(texts(slack, "art")) == 1


def test_ops_are_told_when_the_account_has_no_credit(
    tmp_path: Path, s3: S3Server, replicate: ReplicateStandIn, slack: SlackStandIn
) -> None:
    replicate.faults.set("create.insufficient_credit", times=None)
    with restyling(tmp_path / "project", s3, replicate, slack) as hookline:
        put(s3, "raw/evening.jpg", paint_evening())
        run = hookline.finished("upload-restyle")
    assert (run["status"], run["error"]["type"]) == ("failed", "insufficient_credit")
    (message,) = texts(slack, "ops")
    assert run["id"] in message
    assert stored(s3) == {}
