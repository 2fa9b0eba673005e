"""OpenAI, Azure and Rekognition as providers: what is sent, what is read, and that no failure allows."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from hookline.sdk import BadInput, OutcomeUnknown, RateLimited, Recorded, Unavailable
from hookline.testing import FakeContext, open_connection
from hookline.testing.httpd import HttpServer, Request, Response

from .kit import REGISTRY, check

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 40
OMNI = (
    "harassment",
    "harassment/threatening",
    "hate",
    "hate/threatening",
    "illicit",
    "illicit/violent",
    "self-harm",
    "self-harm/intent",
    "self-harm/instructions",
    "sexual",
    "sexual/minors",
    "violence",
    "violence/graphic",
)
OF_IMAGES = OMNI[6:10] + OMNI[11:]


def omni(kinds: tuple[str, ...] = ("text",), **scores: float) -> dict[str, Any]:
    """An answer as the service gives it."""
    given = {name.replace("__", "/").replace("_", "-"): score for name, score in scores.items()}
    applied = {name: [kind for kind in kinds if kind == "text" or name in OF_IMAGES] for name in OMNI}
    return {
        "id": "modr-0d9740456c391e43c445bf0f010940c7",
        "model": "omni-moderation-2024-09-26",
        "results": [
            {
                "flagged": any(score > 0.5 for score in given.values()),
                "categories": {name: given.get(name, 0) > 0.5 for name in OMNI},
                "category_scores": {name: given.get(name, 0.00001) for name in OMNI},
                "category_applied_input_types": applied,
            }
        ],
    }


def severities(**found: int) -> dict[str, Any]:
    return {
        "blocklistsMatch": [],
        "categoriesAnalysis": [
            {"category": name, "severity": found.get(name, 0)}
            for name in ("Hate", "SelfHarm", "Sexual", "Violence")
        ],
    }


def ask(provider: str, *answers: Recorded | Exception, **given: Any) -> tuple[Any, FakeContext]:
    ctx = FakeContext(answers=answers)
    if provider == "openai":
        client = open_connection(REGISTRY.connection_types["openai"], ctx, api_key="sk-test")
        ctx.connections["openai"] = client
    else:
        kind = REGISTRY.connection_types["azure_content_safety"]
        fields = {"endpoint": "https://safe.example", "key": "k-test", **given.pop("fields", {})}
        ctx.connections["azure_content_safety"] = open_connection(kind, ctx, **fields)
    if "image" in given:
        given["image"] = ctx.fake_files.put(given["image"], name="a.png").to_json()
    return check(ctx, provider=provider, **given), ctx


def test_openai_is_sent_the_text_and_the_pinned_model() -> None:
    verdict, ctx = ask("openai", Recorded(json=omni(), expect="POST /v1/moderations"), text="hello")
    assert (verdict["action"], verdict["status"]) == ("allow", "ok")
    assert verdict["model"] == "omni-moderation-2024-09-26"
    assert verdict["provider_request_id"].startswith("modr-")
    [sent] = ctx.requests
    assert sent.headers["authorization"] == "Bearer sk-test"
    assert sent.json == {
        "model": "omni-moderation-2024-09-26",
        "input": [{"type": "text", "text": "hello"}],
    }
    assert {each["name"] for each in verdict["categories"]} == {
        "harassment",
        "harassment_threat",
        "hate",
        "illicit",
        "self_harm",
        "sexual",
        "sexual_minors",
        "violence",
        "violence_graphic",
    }


def test_openai_is_sent_the_very_bytes_of_a_picture_and_its_text() -> None:
    verdict, ctx = ask("openai", Recorded(json=omni(("text", "image"))), text="look", image=PNG)
    [text, image] = ctx.requests[0].json["input"]
    assert text == {"type": "text", "text": "look"}
    assert base64.b64decode(image["image_url"]["url"].removeprefix("data:image/png;base64,")) == PNG
    assert (verdict["action"], verdict["subject"]["kind"]) == ("allow", "both")
    by_name = {each["provider_name"]: each for each in verdict["categories"]}
    assert by_name["violence"]["applied_to"] == ["image", "text"]
    assert by_name["hate"]["applied_to"] == ["text"]


def test_openai_does_not_look_at_every_category_of_a_picture() -> None:
    verdict, _ = ask("openai", Recorded(json=omni(("image",))), image=PNG)
    looked = {each["provider_name"] for each in verdict["categories"] if each["evaluated"]}
    assert looked == set(OF_IMAGES)
    assert verdict["action"] == "allow"
    demanding, _ = ask("openai", Recorded(json=omni(("image",))), image=PNG, policy={"required": ["hate"]})
    assert (demanding["status"], demanding["action"]) == ("unsupported", "review")
    assert demanding["reason"] == "nobody looked at hate"


def test_a_category_that_openai_adds_is_not_dropped() -> None:
    answer = omni()
    answer["results"][0]["category_scores"]["extremism"] = 0.97
    verdict, _ = ask("openai", Recorded(json=answer), text="x")
    assert verdict["action"] == "block"
    assert verdict["reason"] == "other 0.97 >= block 0.8"


def test_azure_is_sent_the_text_and_severities_become_scores() -> None:
    answer = Recorded(
        json=severities(Violence=4), expect="POST /contentsafety/text:analyze?api-version=2024-09-01"
    )
    verdict, ctx = ask("azure", answer, text="hello")
    assert (verdict["action"], verdict["reason"]) == ("review", "violence 0.57 >= review 0.4")
    assert ctx.requests[0].headers["ocp-apim-subscription-key"] == "k-test"
    assert ctx.requests[0].json == {"text": "hello", "outputType": "EightSeverityLevels"}


def test_azure_looks_at_text_and_picture_one_after_the_other() -> None:
    verdict, ctx = ask(
        "azure", Recorded(json=severities()), Recorded(json=severities(Sexual=6)), text="x", image=PNG
    )
    assert verdict["action"] == "block"
    assert [request.path for request in ctx.requests] == [
        "/contentsafety/text:analyze",
        "/contentsafety/image:analyze",
    ]
    assert base64.b64decode(ctx.requests[1].json["image"]["content"]) == PNG


def test_a_match_of_azures_blocklist_is_named_without_the_word() -> None:
    match = {"blocklistName": "brands", "blocklistItemId": "1", "blocklistItemText": "vileword"}
    verdict, ctx = ask(
        "azure",
        Recorded(json={**severities(), "blocklistsMatch": [match]}),
        text="x",
        fields={"blocklists": ["brands"]},
    )
    assert verdict["action"] == "block"
    assert "vileword" not in str(verdict) + str(ctx.logged)
    assert ctx.requests[0].json["blocklistNames"] == ["brands"]


@pytest.mark.parametrize(
    ("provider", "given"),
    [
        ("azure", {"text": "x" * 10_001}),
        ("azure", {"image": PNG + b"\0" * 4_000_000}),
        ("openai", {"image": b"%PDF-1.7"}),
    ],
)
def test_what_a_service_does_not_take_is_not_sent_and_not_allowed(
    provider: str, given: dict[str, Any]
) -> None:
    verdict, ctx = ask(provider, **given)
    assert (verdict["status"], verdict["action"]) == ("unsupported", "review")
    assert not ctx.requests


def _without(answer: dict[str, Any], change: Callable[[Any], Any]) -> Recorded:
    change(answer)
    return Recorded(json=answer)


BAD: dict[str, Recorded | Exception] = {
    "timeout": OutcomeUnknown("no answer within 30 s"),
    "refused": Unavailable("not connected"),
    "limit": RateLimited("busy"),
    "html": Recorded(text="<!doctype html><title>Sign in</title>", headers={"Content-Type": "text/html"}),
    "empty": Recorded(text=""),
    "cut": Recorded(text='{"results": [{"flagged": fal'),
    "nothing": Recorded(json={}),
    "null": Recorded(json=None, text="null"),
    "list": Recorded(json=[]),
    "number": Recorded(json=0),
    "forbidden": Recorded(status=401, json={"error": {"message": "bad key"}}),
    "failed": Recorded(status=500, text="oops"),
    "moved": Recorded(status=302, headers={"Location": "https://elsewhere.example"}),
    "error with 200": Recorded(json={"error": {"message": "overloaded"}}),
    "nan": Recorded(text='{"results": [{"flagged": false, "category_scores": {"hate": NaN}}]}'),
}
OPENAI_BAD: dict[str, Recorded] = {
    "no results": _without(omni(), lambda a: a.update(results=[])),
    "two results": _without(omni(), lambda a: a["results"].append(a["results"][0])),
    "no scores": _without(omni(), lambda a: a["results"][0].pop("category_scores")),
    "label renamed": _without(
        omni(),
        lambda a: a["results"][0]["category_scores"].update(
            {"minors": a["results"][0]["category_scores"].pop("sexual/minors")}
        ),
    ),
    "score null": _without(omni(), lambda a: a["results"][0]["category_scores"].update(hate=None)),
    "score true": _without(omni(), lambda a: a["results"][0]["category_scores"].update(hate=True)),
    "score text": _without(omni(), lambda a: a["results"][0]["category_scores"].update(hate="0.1")),
    "score percent": _without(omni(), lambda a: a["results"][0]["category_scores"].update(hate=12)),
    "flagged missing": _without(omni(), lambda a: a["results"][0].pop("flagged")),
}
AZURE_BAD: dict[str, Recorded] = {
    "no list": _without(severities(), lambda a: a.pop("categoriesAnalysis")),
    "empty list": _without(severities(), lambda a: a.update(categoriesAnalysis=[])),
    "label renamed": _without(severities(), lambda a: a["categoriesAnalysis"][0].update(category="Hatred")),
    "no severity": _without(severities(), lambda a: a["categoriesAnalysis"][0].pop("severity")),
    "severity 8": _without(severities(), lambda a: a["categoriesAnalysis"][0].update(severity=8)),
    "severity -1": _without(severities(), lambda a: a["categoriesAnalysis"][0].update(severity=-1)),
}


@pytest.mark.parametrize(
    ("provider", "answer"),
    [
        *[
            pytest.param("openai", answer, id=f"openai-{why}")
            for why, answer in {**BAD, **OPENAI_BAD}.items()
        ],
        *[pytest.param("azure", answer, id=f"azure-{why}") for why, answer in {**BAD, **AZURE_BAD}.items()],
    ],
)
def test_a_service_that_fails_never_allows(provider: str, answer: Recorded | Exception) -> None:
    verdict, ctx = ask(provider, answer, text="secret words")
    assert (verdict["status"], verdict["action"]) == ("error", "review")
    assert verdict["categories"] == []
    assert "secret words" not in str(ctx.logged)


# Rekognition, through boto3 and a real socket


class Aws:
    """Plays ``DetectModerationLabels``, as strict as the service about what it is sent."""

    def __init__(self) -> None:
        self.server = HttpServer(name="rekognition")
        self.answer: Response = Response.text(500, "")
        self.asked: list[Any] = []

    def handle(self, request: Request) -> Response:
        assert request.header("X-Amz-Target") == "RekognitionService.DetectModerationLabels"
        assert (request.header("Authorization") or "").startswith("AWS4-HMAC-SHA256 Credential=AKID/")
        body = request.json()
        assert set(body) == {"Image", "MinConfidence"}
        self.asked.append(base64.b64decode(body["Image"]["Bytes"], validate=True))
        return self.answer

    def says(self, document: Any, status: int = 200) -> None:
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        self.answer = Response(status, body, content_type="application/x-amz-json-1.1")

    def look(self, content: bytes = PNG, **given: Any) -> Any:
        ctx = FakeContext()
        ctx.connections["aws"] = open_connection(
            REGISTRY.connection_types["aws"],
            ctx,
            region="eu-west-1",
            access_key_id="AKID",
            secret_access_key="secret",
            endpoint_url=self.server.origin,
        )
        image = ctx.fake_files.put(content, name="a.png").to_json()
        return check(ctx, provider="rekognition", image=image, **given)


@pytest.fixture(scope="module")
def aws() -> Iterator[Aws]:
    stand_in = Aws()
    stand_in.server.start(stand_in.handle)
    yield stand_in
    stand_in.server.stop()


def label(name: str, confidence: Any, parent: str = "", level: int = 1) -> dict[str, Any]:
    return {"Name": name, "Confidence": confidence, "ParentName": parent, "TaxonomyLevel": level}


def test_rekognition_is_sent_the_very_bytes_and_an_empty_list_is_nothing_found(aws: Aws) -> None:
    aws.says({"ModerationLabels": [], "ModerationModelVersion": "7.0", "ContentTypes": []})
    verdict = aws.look()
    assert aws.asked[-1] == PNG
    assert (verdict["action"], verdict["model"]) == ("allow", "rekognition-moderation-7.0")
    assert "sexual" in {each["name"] for each in verdict["categories"] if each["evaluated"]}


@pytest.mark.parametrize(
    ("labels", "action", "name"),
    [
        ([label("Explicit", 99.1)], "block", "sexual"),
        ([label("Exposed Buttocks", 91.0, "Explicit Nudity"), label("Explicit Nudity", 91.0, "Explicit")],
         "block", "sexual"),
        ([label("Blood & Gore", 85.0, "Graphic Violence"), label("Graphic Violence", 85.0, "Violence")],
         "block", "violence_graphic"),
        ([label("Something", 61.0, "Elsewhere"), label("Elsewhere", 61.0, "Violence")], "review", "violence"),
        ([label("A New Kind of Harm", 88.0)], "block", "other"),
        ([label("Violence", 39.9)], "allow", "violence"),
        ([label("Loop", 50.0, "Loop")], "review", "other"),
    ],
)  # fmt: skip
def test_a_label_counts_as_the_category_above_it(aws: Aws, labels: list[Any], action: str, name: str) -> None:
    aws.says({"ModerationLabels": labels, "ModerationModelVersion": "7.0"})
    verdict = aws.look()
    assert verdict["action"] == action
    assert verdict["categories"][0]["name"] == name
    assert {each["provider_name"] for each in verdict["categories"]} >= {each["Name"] for each in labels}


@pytest.mark.parametrize(
    ("document", "status"),
    [
        (b"<html>Sign in</html>", 200),
        (b"", 200),
        (b"[]", 200),
        (b"{}", 200),
        ({"ModerationLabels": []}, 200),
        ({"ModerationModelVersion": "7.0"}, 200),
        ({"ModerationLabels": [{"Name": "Explicit"}], "ModerationModelVersion": "7.0"}, 200),
        ({"ModerationLabels": [label("Explicit", 101)], "ModerationModelVersion": "7.0"}, 200),
        ({"ModerationLabels": [label("", 50)], "ModerationModelVersion": "7.0"}, 200),
        ({"__type": "AccessDeniedException", "message": "no"}, 400),
        ({"__type": "ThrottlingException", "message": "slow"}, 400),
        ({"__type": "InvalidParameterException", "message": "what"}, 400),
        (b"oops", 500),
    ],
)
def test_an_answer_of_rekognition_that_cannot_be_read_never_allows(
    aws: Aws, document: Any, status: int
) -> None:
    aws.says(document, status)
    verdict = aws.look()
    assert (verdict["status"], verdict["action"]) == ("error", "review")


def test_a_picture_that_rekognition_does_not_take_is_not_allowed(aws: Aws) -> None:
    aws.says({"__type": "InvalidImageFormatException", "message": "no"}, 400)
    for content in (PNG, b"GIF89a", PNG + b"\0" * 5_000_000):
        verdict = aws.look(content)
        assert (verdict["status"], verdict["action"]) == ("unsupported", "review")


def test_half_a_credential_of_aws_is_refused() -> None:
    with pytest.raises(BadInput):
        open_connection(REGISTRY.connection_types["aws"], FakeContext(), access_key_id="AKID")
