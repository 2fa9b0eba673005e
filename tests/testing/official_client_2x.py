"""A round with `replicate==2.0.0b4`, run by `test_official_clients.py` under an interpreter that has it."""

# ruff: noqa: PT017 - there is no pytest under that interpreter

import json
import os
import sys
import urllib.request


def main(base_url: str, token: str, echo: str, picture: str, sleepy: str, tokens: str, manual: str) -> None:
    os.environ["REPLICATE_POLL_INTERVAL"] = "0.01"
    import replicate
    from replicate import Replicate

    client = Replicate(bearer_token=token, base_url=f"{base_url}/v1", max_retries=0)

    assert client.run(f"hookline/echo:{echo}", input={"text": "hello"}) == "hello"
    made = client.predictions.create(
        version=sleepy, input={"seconds": 0, "text": "rested"}, cancel_after="1m"
    )
    assert made.status == "starting"
    ended = client.predictions.wait(made.id)
    assert (ended.status, ended.output) == ("succeeded", "rested")

    held = client.predictions.create(version=manual, input={})
    client.predictions.cancel(prediction_id=held.id)
    assert client.predictions.get(prediction_id=held.id).status == "canceled"

    for number in range(101):
        client.predictions.create(version=echo, input={"text": str(number)})
    seen = [item.id for item in client.predictions.list()]
    assert len(seen) == len(set(seen))
    assert made.id in seen

    file = client.files.create(content=b"hello")
    assert client.files.get(file_id=file.id).size == 5
    client.files.delete(file_id=file.id)
    try:
        client.files.get(file_id=file.id)
    except replicate.NotFoundError:
        pass
    else:
        raise AssertionError("the deleted file is still there")

    assert client.models.get(model_owner="hookline", model_name="echo").latest_version.id == echo
    assert [model.name for model in client.models.search(body="sleepy")] == ["sleepy"]
    tuned = client.models.create(owner="standin", name="tuned", visibility="private", hardware="gpu-l40s")
    assert (tuned.owner, tuned.latest_version) == ("standin", None)
    changed = client.models.update(
        model_owner="standin", model_name="tuned", description="mine", readme="# Hi"
    )
    assert changed.description == "mine"
    assert client.models.readme.get(model_owner="standin", model_name="tuned") == "# Hi"
    trainer = client.models.get(model_owner="hookline", model_name="trainer").latest_version.id
    place = {"model_owner": "hookline", "model_name": "trainer", "version_id": trainer}
    training = client.trainings.create(
        **place, destination="standin/tuned", input={"input_images": "https://example.com/a.zip"}
    )
    while training.status not in ("succeeded", "failed", "canceled"):
        training = client.trainings.get(training_id=training.id)
    assert training.status == "succeeded"
    assert client.run(training.output.version, input={"text": "trained"}) == "trained"
    assert training.id in [item.id for item in client.trainings.list()]
    slow = client.trainings.create(
        **place,
        destination="standin/tuned",
        input={"input_images": "https://example.com/a.zip", "seconds": 600},
    )
    assert client.trainings.cancel(training_id=slow.id).status == "canceled"
    try:
        client.trainings.create(
            **place, destination="standin/none", input={"input_images": "https://example.com/a.zip"}
        )
    except replicate.NotFoundError as error:
        assert error.body["detail"] == "The specified training destination does not exist"
    else:
        raise AssertionError("a training without a destination was taken")
    version = client.models.get(model_owner="standin", model_name="tuned").latest_version.id
    client.models.versions.delete(model_owner="standin", model_name="tuned", version_id=version)
    client.models.delete(model_owner="standin", model_name="tuned")
    examples = client.models.examples.list(model_owner="hookline", model_name="echo")
    assert [item.output for item in examples] == ["hello"]
    (collection,) = client.collections.list()
    assert "echo" in [model.name for model in client.collections.get(collection_slug=collection.slug).models]
    assert client.hardware.list()[0].sku == "cpu"
    deployment = client.deployments.create(
        name="d2", model="hookline/echo", version=echo, hardware="cpu", min_instances=0, max_instances=1
    )
    named = {"deployment_owner": deployment.owner, "deployment_name": deployment.name}
    assert client.deployments.update(**named, min_instances=1).current_release.number == 2
    deployed = client.deployments.predictions.create(**named, input={"text": "there"})
    assert client.predictions.wait(deployed.id).output == "there"
    assert client.deployments.get(**named).current_release.configuration.min_instances == 1
    client.deployments.delete(**named)
    assert client.search(query="picture").models[0].model.name == "picture"
    assert client.account.get().username == "standin"
    assert client.webhooks.default.secret.get().key.startswith("whsec_")
    try:
        client.predictions.create(version=echo, input={})
    except replicate.UnprocessableEntityError as error:
        assert error.body["invalid_fields"][0]["description"] == "text is required"
    else:
        raise AssertionError("bad input was taken")

    picture_output = client.run(f"hookline/picture:{picture}", input={"count": 1})
    data = picture_output[0].read() if hasattr(picture_output[0], "read") else b""
    assert data.startswith(b"\x89PNG") or isinstance(picture_output[0], str)

    # Its stream looks at the prediction again and again, every half second.
    os.environ |= {"REPLICATE_BASE_URL": f"{base_url}/v1", "REPLICATE_API_TOKEN": token}
    streaming = replicate.use(f"hookline/tokens:{tokens}", streaming=True)
    assert "".join(map(str, streaming(prompt="a b c"))) == "a b c"

    # By default it sends a POST again, twice, after a lost answer: the stand-in must count three predictions.
    order = json.dumps({"name": "create.reset_after", "times": 3}).encode()
    urllib.request.urlopen(urllib.request.Request(f"{base_url}/_standin/faults", data=order)).close()
    eager = Replicate(bearer_token=token, base_url=f"{base_url}/v1", timeout=20)
    try:
        eager.predictions.create(version=echo, input={"text": "paid three times"})
    except replicate.APIConnectionError:
        pass
    else:
        raise AssertionError("the answers were to be lost")


main(*sys.argv[1:8])
print("ok")
