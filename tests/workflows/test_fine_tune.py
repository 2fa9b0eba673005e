"""A ZIP of pictures becomes a version of a model of one's own, and that version is run."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from hookline.testing.replicate import ReplicateStandIn
from hookline.testing.replicate.plans import png
from hookline.testing.s3 import S3Server
from hookline.testing.slack import SlackStandIn

from .installation import install, texts
from .test_upload_restyle import put

EXAMPLE = "acme/trainer:5c7d5dc6dd8bf75c1acaa8565735e7986bc5b66206b55cca93cb72c9bf15ccaa"


@pytest.fixture
def replicate() -> Iterator[ReplicateStandIn]:
    with ReplicateStandIn() as running:
        yield running
        assert running.failures == []


def pictures() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for number in range(3):
            archive.writestr(f"{number}.png", png(8, 8, (number, 0, 0)))
    return packed.getvalue()


@pytest.mark.parametrize("is_there", [False, True])
def test_a_training_and_a_run_of_what_it_made(
    tmp_path: Path, s3: S3Server, slack: SlackStandIn, replicate: ReplicateStandIn, is_there: bool
) -> None:
    trainer = f"hookline/trainer:{replicate.version_of('hookline/trainer')}"

    def change(text: str) -> str:
        # What the trained version of the stand-in takes and gives is a text.
        text = text.replace('"interval": "30s"', '"interval": "100ms"').replace(EXAMPLE, trainer)
        return (
            text.replace("acme/mascot", "standin/mascot")
            .replace('"acme"', '"standin"')
            .replace('"prompt"', '"text"')
        )

    environment = {
        **s3.environment,
        "AWS_REGION": "us-east-1",
        "REPLICATE_BASE_URL": replicate.base_url,
        "REPLICATE_API_TOKEN": replicate.token,
        "SLACK_BASE_URL": slack.api_url,
        "SLACK_BOT_TOKEN": slack.token,
    }
    if is_there:
        import httpx

        made = {"owner": "standin", "name": "mascot", "visibility": "private", "hardware": "gpu-l40s"}
        headers = {"Authorization": f"Bearer {replicate.token}"}
        httpx.post(f"{replicate.base_url}/v1/models", json=made, headers=headers).raise_for_status()
    with install(
        tmp_path / "project",
        "fine-tune",
        environment=environment,
        origins=(replicate.base_url, replicate.cdn_url, slack.base_url),
        change=change,
        triggers=True,
    ) as hookline:
        hookline.await_first_look("fine-tune")
        put(s3, "training/mascot.zip", pictures())
        run = hookline.succeeded("fine-tune")

    trained, ran = replicate.creates
    assert trained.body["input"]["trigger_word"] == "MASCOT"
    assert trained.body["input"]["input_images"].startswith("data:application/zip;base64,")
    assert trained.body["destination"] == "standin/mascot"
    assert run["output"]["version"] == f"standin/mascot:{replicate.version_of('standin/mascot')}"
    assert ran.body["version"] == run["output"]["version"]
    assert ran.body["input"]["text"] == "MASCOT on a bicycle, at dusk"
    by_id = {step["id"]: step["status"] for step in run["steps"]}
    assert by_id["tuned"] == by_id["drawn"] == "succeeded"
    assert ("created" in by_id) is not is_there
    (message,) = texts(slack, "art")
    assert "mascot.zip is learned" in message
