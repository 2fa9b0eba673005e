"""A round with `replicate==1.0.7`, run by `test_official_clients.py` under an interpreter that has it."""

# ruff: noqa: PT017 - there is no pytest under that interpreter

import io
import os
import sys

from replicate.client import Client
from replicate.exceptions import ModelError, ReplicateError
from replicate.webhook import Webhooks, WebhookSigningSecret


def main(base_url: str, token: str, echo: str, picture: str, sleepy: str, tokens: str, manual: str) -> None:
    os.environ["REPLICATE_POLL_INTERVAL"] = "0.01"
    client = Client(api_token=token, base_url=base_url)

    assert client.run(f"hookline/echo:{echo}", input={"text": "hello"}) == "hello"
    assert client.run("hookline/official-echo", input={"text": "hello"}) == "hello"

    made = client.predictions.create(version=sleepy, input={"seconds": 0.02, "text": "rested"})
    assert made.status == "starting"
    made.wait()
    assert (made.status, made.output) == ("succeeded", "rested")
    assert made.progress is not None

    try:
        client.run(f"hookline/sleepy:{sleepy}", input={"seconds": 0, "error": "asked to fail"})
    except ModelError as error:
        assert error.prediction.error == "asked to fail"
    else:
        raise AssertionError("no ModelError")

    held = client.predictions.create(version=manual, input={})
    held.cancel()
    held.reload()
    assert held.status == "canceled"

    for number in range(101):
        client.predictions.create(version=echo, input={"text": str(number)})
    page = client.predictions.list()
    assert len(page.results) == 100
    assert page.next is not None
    following = client.predictions.list(page.next)
    seen = {item.id for item in page.results} | {item.id for item in following.results}
    assert len(seen) == len(page.results) + len(following.results)
    assert made.id in seen

    outputs = client.run(f"hookline/picture:{picture}", input={"count": 2}, use_file_output=False)
    assert len(outputs) == 2

    file = client.files.create(io.BytesIO(b"hello"), filename="a.txt", content_type="text/plain")
    assert client.files.get(file.id).size == 5
    assert file.id in [item.id for item in client.files.list()]
    client.files.delete(file.id)
    try:
        client.files.get(file.id)
    except ReplicateError as error:
        assert error.status == 404 or "not found" in str(error).lower()
    else:
        raise AssertionError("the deleted file is still there")

    assert client.models.get("hookline/echo").latest_version.id == echo
    assert client.models.get("hookline/echo").versions.get(echo).openapi_schema
    assert "hookline/echo" in [f"{model.owner}/{model.name}" for model in client.models.list()]
    assert [model.name for model in client.models.search("sleepy")] == ["sleepy"]
    tuned = client.models.create(
        owner="standin", name="tuned-1x", visibility="private", hardware="gpu-l40s", description="mine"
    )
    assert (tuned.owner, tuned.visibility, tuned.latest_version) == ("standin", "private", None)
    trainer = client.models.get("hookline/trainer").latest_version.id
    training = client.trainings.create(
        version=f"hookline/trainer:{trainer}",
        input={"input_images": "https://example.com/a.zip", "trigger_word": "CAT"},
        destination="standin/tuned-1x",
    )
    while training.status not in ("succeeded", "failed", "canceled"):
        training.reload()
    assert training.status == "succeeded"
    assert client.run(training.output["version"], input={"text": "trained"}) == "trained"
    assert training.id in [item.id for item in client.trainings.list()]
    slow = client.trainings.create(
        version=f"hookline/trainer:{trainer}",
        input={"input_images": "https://example.com/a.zip", "seconds": 600},
        destination="standin/tuned-1x",
    )
    slow.cancel()
    assert client.trainings.get(slow.id).status == "canceled"
    try:
        client.trainings.create(
            version=f"hookline/trainer:{trainer}",
            input={"input_images": "https://example.com/a.zip"},
            destination="standin/none",
        )
    except ReplicateError as error:
        assert (error.status, error.detail) == (404, "The specified training destination does not exist")
    else:
        raise AssertionError("a training without a destination was taken")
    slug = client.collections.list()[0].slug
    assert "echo" in [model.name for model in client.collections.get(slug).models]
    assert client.hardware.list()[0].sku == "cpu"
    assert client.accounts.current().username == "standin"
    deployment = client.deployments.create(
        name="d", model="hookline/echo", version=echo, hardware="cpu", min_instances=0, max_instances=1
    )
    assert client.deployments.get("standin/d").current_release.number == 1
    updated = client.deployments.update("standin", "d", min_instances=1)
    assert (updated.current_release.number, updated.current_release.configuration.min_instances) == (2, 1)
    assert [item.name for item in client.deployments.list()] == ["d"]
    deployed = client.deployments.predictions.create((deployment.owner, deployment.name), {"text": "there"})
    deployed.wait()
    assert deployed.output == "there"
    assert client.deployments.delete(deployment.owner, deployment.name)

    assert "".join(map(str, client.stream(f"hookline/tokens:{tokens}", input={"prompt": "a b c"}))) == "a b c"

    drawn = list(client.stream(f"hookline/picture:{picture}", input={"count": 2}))
    assert sum(event.event.value == "output" and str(event.data).startswith("http") for event in drawn) == 2

    secret = client.webhooks.default.secret()
    assert secret.key.startswith("whsec_")
    vector_body = sys.stdin.read()
    headers = {
        "webhook-id": "msg_2bXkQ7uPfHc9sVnYtW3ZrLmD0aE",
        "webhook-timestamp": "1795000000",
        "webhook-signature": sys.argv[8],
    }
    vector_secret = WebhookSigningSecret(key="whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX")
    Webhooks.validate(headers=headers, body=vector_body, secret=vector_secret)

    try:
        Client(api_token="r8_wrong", base_url=base_url).accounts.current()
    except ReplicateError as error:
        assert error.status == 401
    else:
        raise AssertionError("a wrong token was taken")


main(*sys.argv[1:8])
print("ok")
