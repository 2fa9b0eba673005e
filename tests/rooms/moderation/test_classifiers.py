"""The providers ``replicate`` and ``cog``: what the prediction of an earlier step means."""

from __future__ import annotations

from typing import Any

import pytest

from hookline.sdk import BadInput
from hookline.testing import FakeContext

from .kit import check

REFERENCE = "falcons-ai/nsfw_image_detection:" + "a" * 64


def classified(output: Any, classifier: str | None = "nsfw", **given: Any) -> Any:
    prediction = {
        "status": "succeeded",
        "provider": "replicate",
        "provider_job_id": "gm3qorzdhgbfurvjtvhg6dckhu",
        "model_reference": REFERENCE,
        "output": output,
        **given.pop("prediction", {}),
    }
    asked = {"classifier": classifier} if classifier else {}
    ctx = FakeContext()
    shown: dict[str, Any] = {"text": "hello"}
    if classifier == "nsfw":
        shown = {"image": ctx.fake_files.put(b"picture", name="a.png").to_json()}
    return check(ctx, **{"provider": "replicate", "prediction": prediction, **shown, **asked, **given})


@pytest.mark.parametrize(
    ("classifier", "output", "shown", "action"),
    [
        ("nsfw", "normal", "image", "allow"),
        ("nsfw", "normal", "text", "review"),
        ("nsfw", "normal", "both", "review"),
        ("llama_guard_4", "safe", "text", "allow"),
        ("llama_guard_4", "safe", "both", "allow"),
        ("llama_guard_4", "safe", "image", "review"),
        ("llama_guard_3", "safe", "text", "allow"),
        ("llama_guard_3", "safe", "both", "review"),
        ("llama_guard_2", "safe", "text", "allow"),
        ("llama_guard_2", "safe", "both", "review"),
        ("llama_guard_2", "safe", "image", "review"),
    ],
)
def test_a_model_has_not_seen_what_it_cannot_look_at(
    classifier: str, output: str, shown: str, action: str
) -> None:
    ctx = FakeContext()
    image = ctx.fake_files.put(b"picture", name="a.png").to_json()
    given: dict[str, Any] = {"text": "hello"} if shown != "image" else {}
    if shown != "text":
        given["image"] = image
    prediction = {"status": "succeeded", "provider": "replicate", "output": output}
    verdict = check(ctx, provider="replicate", prediction=prediction, classifier=classifier, **given)
    assert verdict["action"] == action


def test_where_nobody_knows_what_a_model_was_shown_only_one_may_be_given() -> None:
    ctx = FakeContext()
    with pytest.raises(BadInput) as caught:
        check(
            ctx,
            provider="cog",
            text="hello",
            image=ctx.fake_files.put(b"picture").to_json(),
            prediction={"status": "succeeded", "provider": "cog", "output": {}},
            scores={"hate": 0.1},
        )
    assert caught.value.code == "C032"


@pytest.mark.parametrize(
    ("classifier", "output", "action", "names"),
    [
        ("nsfw", "normal", "allow", set()),
        ("nsfw", "nsfw", "block", {"sexual"}),
        ("nsfw", " NSFW\n", "block", {"sexual"}),
        ("llama_guard_4", "safe", "allow", set()),
        ("llama_guard_4", "\n\nSafe\n", "allow", set()),
        ("llama_guard_4", ["\n\n", "un", "safe", "\n", "S1", ",S10"], "block", {"violence", "hate"}),
        ("llama_guard_4", "unsafe\nS4", "block", {"sexual_minors"}),
        ("llama_guard_4", "unsafe\nS5", "block", {"other"}),
        ("llama_guard_4", "unsafe S9 S11", "block", {"weapons_drugs", "self_harm"}),
        ("llama_guard_4", "unsafe\nS99", "block", {"other"}),
        ("llama_guard_2", "unsafe\nS9", "block", {"hate"}),
        ("llama_guard_2", "unsafe\nS12", "block", {"other"}),
    ],
)
def test_a_preset_reads_its_classifier(classifier: str, output: Any, action: str, names: set[str]) -> None:
    verdict = classified(output, classifier)
    assert (verdict["status"], verdict["action"]) == ("ok", action)
    assert {each["name"] for each in verdict["categories"] if each["score"]} == names
    assert verdict["model"] == REFERENCE
    assert verdict["provider_request_id"] == "gm3qorzdhgbfurvjtvhg6dckhu"


LABELS = {"porn": "sexual", "neutral": ""}


@pytest.mark.parametrize(
    ("output", "action"),
    [
        ([{"label": "porn", "score": 0.9}, {"label": "neutral", "score": 0.1}], "block"),
        ([{"label": "porn", "score": 0.1}, {"label": "neutral", "score": 0.9}], "allow"),
        ({"porn": 0.5, "neutral": 0.5}, "review"),
        ({"porn": 0.0, "neutral": 0.1, "gore": 0.9}, "block"),
    ],
)
def test_labels_are_mapped_and_none_is_dropped(output: Any, action: str) -> None:
    assert classified(output, "labels", labels=LABELS)["action"] == action


def test_scores_may_be_computed_by_the_workflow() -> None:
    verdict = classified({"p": 0.55}, None, scores={"violence": 0.55, "hate": 0})
    assert (verdict["action"], verdict["reason"]) == ("review", "violence 0.55 >= review 0.4")


UNREADABLE: list[Any] = [
    None,
    "",
    "sfw",
    "normal nsfw",
    "safe S1",
    "safe\nbut not really",
    "unsafe",
    "unsafe\nviolence",
    "this is safe",
    "<html>safe</html>",
    "I cannot answer that",
    [],
    {},
    {"label": "normal"},
    True,
    0,
    ["normal", "normal"],
    [{"label": "neutral"}],
    [{"label": "neutral", "score": 0.1}],
    [{"label": "porn", "score": None}, {"label": "neutral", "score": 1}],
    [{"label": "porn", "score": "0.1"}, {"label": "neutral", "score": 1}],
    [{"label": "porn", "score": 1.1}, {"label": "neutral", "score": 1}],
    [{"label": "porn", "score": 0}, {"label": "porn", "score": 1}, {"label": "neutral", "score": 1}],
    {"porn": float("nan"), "neutral": 0},
]


@pytest.mark.parametrize("output", UNREADABLE, ids=repr)
@pytest.mark.parametrize("classifier", ["nsfw", "llama_guard_2", "llama_guard_3", "llama_guard_4", "labels"])
def test_what_cannot_be_read_is_an_error_and_not_safe(classifier: str, output: Any) -> None:
    given = {"labels": LABELS} if classifier == "labels" else {}
    verdict = classified(output, classifier, **given)
    assert (verdict["status"], verdict["action"]) == ("error", "review")
    assert classified(output, classifier, on_error="block", **given)["action"] == "block"


@pytest.mark.parametrize("score", [None, True, "0.1", [], -0.1, 1.1, float("nan"), float("inf")])
def test_a_score_that_is_none_is_an_error(score: Any) -> None:
    assert classified("x", None, scores={"violence": score})["action"] == "review"


@pytest.mark.parametrize("status", ["failed", "canceled", "processing", None])
def test_a_prediction_that_did_not_succeed_is_an_error(status: Any) -> None:
    verdict = classified("normal", prediction={"status": status})
    assert (verdict["status"], verdict["action"]) == ("error", "review")


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"classifier": None}, "C032"),
        ({"scores": {"sexual": 0.1}}, "C032"),
        ({"classifier": None, "scores": {}}, "C032"),
        ({"classifier": None, "scores": {"nudity": 0.1}}, "C030"),
        ({"classifier": "labels"}, "C032"),
        ({"labels": LABELS}, "C032"),
        ({"classifier": "labels", "labels": {"a": "nudity"}}, "C030"),
        ({"prediction": None}, "C032"),
        ({"provider": "cog"}, "C032"),
    ],
)
def test_a_mistake_of_the_workflow_is_no_verdict(given: dict[str, Any], code: str) -> None:
    asked = {
        "provider": "replicate",
        "text": "x",
        "prediction": {"status": "succeeded", "provider": "replicate", "output": "normal"},
        "classifier": "nsfw",
        **given,
    }
    with pytest.raises(BadInput) as caught:
        check(**asked)
    assert caught.value.code == code
