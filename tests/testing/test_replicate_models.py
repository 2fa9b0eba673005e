"""Models that are made, changed and trained, and what shows them."""

from typing import Any

import pytest
from testing_support import Served

TUNED = {"owner": "standin", "name": "tuned", "visibility": "private", "hardware": "gpu-l40s"}
TRAINING_INPUT = {"input_images": "https://example.com/images.zip", "trigger_word": "CAT"}


def trainer(served: Served) -> str:
    return f"/models/hookline/trainer/versions/{served.server.version_of('hookline/trainer')}/trainings"


def start(served: Served, **more: Any) -> dict[str, Any]:
    served.api.post("/models", json=TUNED)
    body = {"destination": "standin/tuned", "input": TRAINING_INPUT, **more}
    answer = served.api.post(trainer(served), json=body)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


class TestModels:
    def test_a_model_is_made_changed_and_deleted(self, served: Served) -> None:
        made = served.api.post("/models", json={**TUNED, "description": "mine"})
        assert (made.status_code, made.json()["latest_version"]) == (201, None)
        changed = served.api.patch(
            "/models/standin/tuned", json={"description": "still mine", "readme": "# Hi"}
        )
        assert changed.json()["description"] == "still mine"
        assert served.api.get("/models/standin/tuned/readme").text == "# Hi"
        assert served.api.get("/models/standin/tuned/versions").json()["results"] == []
        assert served.api.delete("/models/standin/tuned").status_code == 204
        assert served.api.get("/models/standin/tuned").status_code == 404

    @pytest.mark.parametrize(
        ("change", "status", "pointer"),
        [
            ({"hardware": "gpu-t4"}, 400, "/hardware"),
            ({"visibility": "secret"}, 400, "/visibility"),
            ({"owner": "somebody"}, 403, None),
        ],
    )
    def test_what_replicate_refuses_is_refused(
        self, served: Served, change: dict[str, str], status: int, pointer: str | None
    ) -> None:
        answer = served.api.post("/models", json={**TUNED, **change})
        assert answer.status_code == status
        if pointer is not None:
            assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
            assert answer.json()["title"] == "Validation failed"

    def test_a_name_is_taken_once(self, served: Served) -> None:
        assert [served.api.post("/models", json=TUNED).status_code for _ in range(2)] == [201, 400]

    def test_others_models_cannot_be_changed_or_deleted(self, served: Served) -> None:
        assert served.api.patch("/models/hookline/echo", json={"readme": "x"}).status_code == 403
        assert served.api.delete("/models/hookline/echo").status_code == 403

    def test_a_model_without_a_version_cannot_be_run(self, served: Served) -> None:
        served.api.post("/models", json=TUNED)
        for version in ("standin/tuned", f"standin/tuned:{served.server.version_of('standin/tuned')}"):
            answer = served.api.post("/predictions", json={"version": version, "input": {}})
            assert answer.status_code == 422
        assert served.server.creates == []

    def test_examples_are_predictions(self, served: Served) -> None:
        (example,) = served.api.get("/models/hookline/echo/examples").json()["results"]
        assert (example["output"], example["status"]) == ("hello", "succeeded")
        assert served.api.get("/models/hookline/echo").json()["default_example"]["id"] == example["id"]
        assert served.api.get("/models/hookline/sleepy/examples").json()["results"] == []

    def test_collections_hold_models_and_may_end_with_the_text_null(self, served: Served) -> None:
        assert served.api.get("/collections").json()["next"] is None
        served.server.faults.set("list.null_string_next")
        page = served.api.get("/collections").json()
        assert page["next"] == "null"
        whole = served.api.get(f"/collections/{page['results'][0]['slug']}").json()
        assert "echo" in [model["name"] for model in whole["models"]]
        assert served.api.get("/collections/none").status_code == 404


class TestTrainings:
    def test_the_answer_points_to_predictions_and_later_reads_to_trainings(self, served: Served) -> None:
        made = start(served)
        assert made["urls"]["get"].endswith(f"/v1/predictions/{made['id']}")
        later = served.api.get(f"/trainings/{made['id']}").json()
        assert later["urls"]["get"].endswith(f"/v1/trainings/{made['id']}")
        assert served.api.get(f"/predictions/{made['id']}").json()["id"] == made["id"]

    def test_it_gives_its_destination_a_version_that_runs(self, served: Served) -> None:
        made = start(served)
        served.server.wait_for(made["id"])
        output = served.api.get(f"/trainings/{made['id']}").json()["output"]
        assert output["version"] == f"standin/tuned:{served.server.version_of('standin/tuned')}"
        assert output["weights"].startswith(served.server.cdn_url)
        answer = served.api.post("/predictions", json={"version": output["version"], "input": {"text": "x"}})
        assert answer.status_code == 201
        again = start(served)
        served.server.wait_for(again["id"])
        assert served.api.get(f"/trainings/{again['id']}").json()["output"]["version"] != output["version"]

    def test_lists_keep_the_two_kinds_apart(self, served: Served) -> None:
        training = start(served)["id"]
        prediction = served.made("echo", {"text": "x"})
        assert [item["id"] for item in served.api.get("/trainings").json()["results"]] == [training]
        assert [item["id"] for item in served.api.get("/predictions").json()["results"]] == [prediction]

    def test_a_missing_destination_is_404_as_recorded(self, served: Served) -> None:
        for destination in ("standin/none", "hookline/echo"):
            answer = served.api.post(
                trainer(served), json={"destination": destination, "input": TRAINING_INPUT}
            )
            assert answer.status_code == 404
            assert answer.json() == {
                "detail": "The specified training destination does not exist",
                "status": 404,
            }
        assert served.server.creates == []

    @pytest.mark.parametrize(
        ("body", "field"),
        [
            ({"input": TRAINING_INPUT}, ""),
            ({"destination": "standin/tuned", "input": {}}, "input"),
            ({"destination": "standin/tuned", "input": {"input_images": "a.zip"}}, "input.input_images"),
            ({"destination": "standin/tuned", "input": TRAINING_INPUT, "stream": True}, ""),
        ],
    )
    def test_its_input_is_checked(self, served: Served, body: dict[str, Any], field: str) -> None:
        served.api.post("/models", json=TUNED)
        answer = served.api.post(trainer(served), json=body)
        assert answer.status_code == 422
        assert answer.json()["invalid_fields"][0]["field"] == field

    def test_it_can_be_canceled(self, served: Served) -> None:
        made = start(served, input={**TRAINING_INPUT, "seconds": 600})
        assert served.api.post(f"/trainings/{made['id']}/cancel").json()["status"] == "canceled"
        served.server.settle()
        assert served.api.get("/models/standin/tuned").json()["latest_version"] is None

    def test_it_fails_with_its_own_words(self, served: Served) -> None:
        made = start(served, input={**TRAINING_INPUT, "error": "no images"})
        served.server.wait_for(made["id"])
        assert served.api.get(f"/trainings/{made['id']}").json()["error"] == "no images"

    def test_a_prediction_is_no_training(self, served: Served) -> None:
        prediction = served.made("echo", {"text": "x"})
        assert served.api.get(f"/trainings/{prediction}").status_code == 404
        assert served.api.post(f"/trainings/{prediction}/cancel").status_code == 404

    def test_a_version_can_be_deleted_and_then_the_model(self, served: Served) -> None:
        served.server.wait_for(start(served)["id"])
        version = served.server.version_of("standin/tuned")
        assert served.api.delete("/models/standin/tuned").status_code == 403
        assert served.api.delete(f"/models/standin/tuned/versions/{version}").status_code == 202
        assert served.api.delete("/models/standin/tuned").status_code == 204
