"""The contract: what a careful client may rely on."""

import re
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from testing_support import Served, client_of

from hookline.testing.clock import ManualClock
from hookline.testing.replicate import ReplicateStandIn
from hookline.testing.replicate.contract import REQUIRED, ContractError, checked, missing_fields

TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.(\d{3}|\d{6}|\d{9})Z")


class TestAuthentication:
    @pytest.mark.parametrize("scheme", ["Bearer", "Token"])
    def test_both_scheme_words_are_taken(self, served: Served, scheme: str) -> None:
        headers = {"Authorization": f"{scheme} {served.server.token}"}
        assert httpx.get(f"{served.server.base_url}/v1/account", headers=headers).status_code == 200

    @pytest.mark.parametrize(
        ("headers", "detail"),
        [
            ({}, "You did not pass an authentication token"),
            ({"Authorization": "Bearer r8_wrong"}, "You did not pass a valid authentication token"),
        ],
    )
    def test_a_missing_or_wrong_token_is_401(
        self, served: Served, headers: dict[str, str], detail: str
    ) -> None:
        answer = httpx.get(f"{served.server.base_url}/v1/predictions", headers=headers)
        assert answer.status_code == 401
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json() == {"detail": detail, "status": 401, "title": "Unauthenticated"}

    @pytest.mark.parametrize(
        ("headers", "body"),
        [
            ({}, {"detail": "Authorization header required"}),
            (
                {"Authorization": "Bearer r8_wrong"},
                {
                    "detail": "Invalid or expired API token.",
                    "status": 401,
                    "title": "Authentication required",
                },
            ),
        ],
    )
    def test_the_create_path_has_its_own_variants(
        self, served: Served, headers: dict[str, str], body: dict[str, object]
    ) -> None:
        served.server.faults.set("auth.create_variants")
        answer = httpx.post(f"{served.server.base_url}/v1/predictions", headers=headers, json={})
        assert (answer.status_code, answer.json()) == (401, body)

    def test_nothing_is_created_without_a_token(self, served: Served) -> None:
        httpx.post(f"{served.server.base_url}/v1/predictions", json={})
        assert served.server.creates == []


class TestCreate:
    def test_the_answer_has_every_required_field(self, served: Served) -> None:
        answer = served.create("echo", {"text": "hello"})
        assert answer.status_code == 201
        body = answer.json()
        assert missing_fields("prediction", body) == ()
        assert (body["status"], body["output"], body["logs"], body["source"]) == ("starting", None, "", "api")
        assert body["model"] == "hookline/echo"
        assert body["version"] == served.server.version_of("hookline/echo")
        assert re.fullmatch(r"[a-z0-9]{26}", body["id"])
        for name in ("get", "cancel", "web"):
            assert body["urls"][name].startswith(served.server.base_url + "/")
        assert "stream" not in body["urls"]
        assert answer.headers["location"] == body["urls"]["get"]

    def test_it_runs_and_can_be_read(self, served: Served) -> None:
        made = served.made("echo", {"text": "hello"})
        served.server.wait_for(made)
        body = served.read(made)
        assert (body["status"], body["output"], body["error"]) == ("succeeded", "hello", None)
        assert body["metrics"]["predict_time"] >= 0  # type: ignore[index]
        assert body["metrics"]["total_time"] >= body["metrics"]["predict_time"]  # type: ignore[index]

    def test_a_model_s_failure_is_in_error(self, served: Served) -> None:
        made = served.made("sleepy", {"seconds": 0, "error": "out of memory (E1001)"})
        served.server.wait_for(made)
        body = served.read(made)
        assert (body["status"], body["output"], body["error"]) == ("failed", None, "out of memory (E1001)")

    def test_official_models_run_by_name_and_hide_their_version(self, served: Served) -> None:
        by_version = served.api.post(
            "/predictions", json={"version": "hookline/official-echo", "input": {"text": "a"}}
        )
        by_path = served.api.post("/models/hookline/official-echo/predictions", json={"input": {"text": "a"}})
        for answer in (by_version, by_path):
            assert (answer.status_code, answer.json()["version"]) == (201, "hidden")
        assert served.api.get("/models/hookline/official-echo").json()["is_official"] is True
        assert served.api.get("/models/hookline/official-echo/versions").status_code == 404

    def test_a_version_may_be_named_with_its_model(self, served: Served) -> None:
        reference = f"hookline/echo:{served.server.version_of('hookline/echo')}"
        answer = served.api.post("/predictions", json={"version": reference, "input": {"text": "a"}})
        assert answer.status_code == 201

    @pytest.mark.parametrize(
        "reference",
        ["hookline/echo", "hookline/echo:latest", "nobody/nothing", "0" * 64, "hookline/echo:" + "0" * 64],
    )
    def test_an_unknown_version_is_422(self, served: Served, reference: str) -> None:
        answer = served.api.post("/predictions", json={"version": reference, "input": {"text": "a"}})
        assert answer.status_code == 422
        assert answer.json()["title"] == "Invalid version or not permitted"
        assert served.server.creates == []

    def test_versions_are_the_same_on_every_start(self, served: Served) -> None:
        with ReplicateStandIn() as other:
            for slug in served.server.catalog.models:
                assert other.version_of(slug) == served.server.version_of(slug)


class TestValidation:
    @pytest.mark.parametrize("key", ["model", "webhook_completed", "id", "idempotency_key"])
    def test_an_unknown_top_level_key_is_refused(self, served: Served, key: str) -> None:
        answer = served.create("echo", {"text": "a"}, **{key: "x"})
        assert answer.status_code == 422
        assert answer.json()["invalid_fields"] == [
            {
                "type": "additional_property_not_allowed",
                "field": "",
                "description": f"Additional property {key} is not allowed",
            }
        ]

    @pytest.mark.parametrize("key", ["version", "input"])
    def test_a_missing_key_is_refused(self, served: Served, key: str) -> None:
        body = {"version": served.server.version_of("hookline/echo"), "input": {"text": "a"}}
        del body[key]
        answer = served.api.post("/predictions", json=body)
        assert answer.status_code == 422
        assert answer.json()["invalid_fields"] == [
            {"type": "required", "field": "", "description": f"{key} is required"}
        ]

    @pytest.mark.parametrize(
        ("model", "values", "kind", "field", "text"),
        [
            ("echo", {}, "required", "input", "text is required"),
            (
                "echo",
                {"text": 7},
                "invalid_type",
                "input.text",
                "Invalid type. Expected: string, given: integer",
            ),
            ("sleepy", {"seconds": -1}, "number_gte", "input.seconds", "Must be greater than or equal to 0"),
            ("sleepy", {"steps": 1001}, "number_lte", "input.steps", "Must be less than or equal to 1000"),
            ("sleepy", {"steps": True}, "invalid_type", "input.steps", "Expected: integer, given: boolean"),
            (
                "picture",
                {"output_format": "gif"},
                "enum",
                "input.output_format",
                'output_format must be one of the following: "png"',
            ),
            ("picture", {"image": "/etc/passwd"}, "format", "input.image", "Does not match format 'uri'"),
            ("picture", {"color": "red"}, "pattern", "input.color", "Does not match pattern"),
        ],
    )
    def test_input_is_checked_by_the_model_s_own_schema(
        self, served: Served, model: str, values: dict[str, object], kind: str, field: str, text: str
    ) -> None:
        answer = served.create(model, values)
        assert answer.status_code == 422
        assert answer.headers["content-type"] == "application/problem+json"
        body = answer.json()
        assert body["title"] == "Input validation failed"
        (found,) = body["invalid_fields"]
        assert (found["type"], found["field"]) == (kind, field)
        assert text in found["description"]
        assert body["detail"].startswith(f"- {field}: ")
        assert served.server.creates == []

    def test_two_missing_keys_are_two_entries(self, served: Served) -> None:
        answer = served.api.post("/predictions", json={})
        assert [item["description"] for item in answer.json()["invalid_fields"]] == [
            "version is required",
            "input is required",
        ]

    def test_unknown_inputs_are_dropped_in_silence_and_defaults_filled_in(self, served: Served) -> None:
        made = served.made("picture", {"bogus": 1, "width": 3})
        body = served.read(made)
        assert "bogus" not in body["input"]  # type: ignore[operator]
        assert body["input"]["width"] == 3  # type: ignore[index]
        assert body["input"]["height"] == 16  # type: ignore[index]

    def test_null_is_taken_where_the_schema_says_nullable(self, served: Served) -> None:
        assert served.create("picture", {"image": None}).status_code == 201
        assert served.create("echo", {"text": None}).status_code == 422

    @pytest.mark.parametrize(
        "url", ["ftp://127.0.0.1/x", "nonsense", "http://example.com/hook", "", "http://[::1"]
    )
    def test_a_webhook_must_be_https_or_on_loopback(self, served: Served, url: str) -> None:
        answer = served.create("echo", {"text": "a"}, webhook=url)
        assert answer.status_code == 422
        assert answer.json()["invalid_fields"][0]["field"] == "webhook"

    def test_http_webhooks_can_be_refused_altogether(self) -> None:
        with ReplicateStandIn(allow_http_webhooks=False) as server, client_of(server) as api:
            served = Served(server, api)
            assert served.create("echo", {"text": "a"}, webhook="http://127.0.0.1:9/").status_code == 422
            assert served.create("echo", {"text": "a"}, webhook="https://example.com/").status_code == 201

    def test_an_unknown_event_is_refused(self, served: Served) -> None:
        answer = served.create(
            "echo", {"text": "a"}, webhook="http://127.0.0.1:9/", webhook_events_filter=["end"]
        )
        assert answer.status_code == 422
        assert answer.json()["invalid_fields"][0]["field"] == "webhook_events_filter.0"

    def test_a_body_that_is_not_json_is_400(self, served: Served) -> None:
        assert served.api.post("/predictions", content=b"{").status_code == 400

    @pytest.mark.parametrize("value", ["wait=0", "wait=100", "wait=x", "respond-async"])
    def test_other_prefer_headers_are_refused(self, served: Served, value: str) -> None:
        assert served.create("echo", {"text": "a"}, headers={"Prefer": value}).status_code == 422
        assert served.server.creates == []

    @pytest.mark.parametrize("value", ["4", "25h", "soon", "", "1m30"])
    def test_cancel_after_has_bounds_and_a_form(self, served: Served, value: str) -> None:
        expected = 201 if value == "1m30" else 422
        assert served.create("echo", {"text": "a"}, headers={"Cancel-After": value}).status_code == expected


class TestReading:
    def test_an_unknown_id_is_a_404_problem(self, served: Served) -> None:
        answer = served.api.get("/predictions/nothing")
        assert answer.status_code == 404
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["status"] == 404

    def test_every_answer_tells_the_rate_limit(self, served: Served) -> None:
        made = served.made("echo", {"text": "a"})
        answers = [
            served.api.get(path) for path in ("/account", f"/predictions/{made}", "/predictions/x", "/models")
        ]
        answers += [served.create("echo", {"text": "a"}), served.create("echo", {})]
        answers.append(served.api.get("/account", headers={"Authorization": "Bearer wrong"}))
        for answer in answers:
            assert int(answer.headers["ratelimit-remaining"]) >= 0
            assert int(answer.headers["ratelimit-reset"]) > 0

    def test_limits_are_enforced_on_request_and_come_back(self) -> None:
        with (
            ReplicateStandIn(clock=ManualClock(60.0 * 1000), enforce_limits=True) as server,
            client_of(server) as api,
        ):
            served = Served(server, api)
            codes = [served.create("echo", {"text": "a"}).status_code for _ in range(601)]
            assert codes == [201] * 600 + [429]
            assert len(server.creates) == 600
            refused = served.create("echo", {"text": "a"})
            assert refused.headers["retry-after"] == "60"
            server.clock.advance(60)
            assert served.create("echo", {"text": "a"}).status_code == 201

    def test_timestamps_come_with_3_6_and_9_digits(self, served: Served) -> None:
        made = served.made("echo", {"text": "a"})
        served.server.wait_for(made)
        seen = set()
        for _ in range(6):
            text = str(served.read(made)["created_at"])
            found = TIMESTAMP.fullmatch(text)
            assert found is not None, text
            seen.add(len(found.group(1)))
        assert seen == {3, 6, 9}

    def test_canceling_answers_with_the_prediction(self, served: Served) -> None:
        made = served.made("manual", {})
        served.server.wait_for(made, lambda record: record.status == "processing")
        answer = served.api.post(f"/predictions/{made}/cancel")
        assert (answer.status_code, answer.json()["status"]) == (200, "canceled")
        assert missing_fields("prediction", answer.json()) == ()
        assert served.read(made)["status"] == "canceled"

    def test_canceling_what_is_over_changes_nothing(self, served: Served) -> None:
        made = served.made("echo", {"text": "a"})
        served.server.wait_for(made)
        assert served.api.post(f"/predictions/{made}/cancel").json()["status"] == "succeeded"

    def test_canceled_logs_may_be_null(self, served: Served) -> None:
        served.server.faults.set("cancel.null_logs")
        made = served.made("manual", {})
        assert served.api.post(f"/predictions/{made}/cancel").json()["logs"] is None

    def test_an_unknown_path_or_method_is_a_problem(self, served: Served) -> None:
        assert served.api.get("/nothing").status_code == 404
        assert served.api.delete("/predictions").status_code == 405


class TestListing:
    def test_pages_of_100_newest_first_without_gap_or_repetition(self, served: Served) -> None:
        made = [served.made("echo", {"text": str(number)}) for number in range(205)]
        url: str | None = "/predictions"
        seen: list[str] = []
        sizes = []
        while url is not None:
            page = served.api.get(url).json()
            assert missing_fields("page", page) == ()
            sizes.append(len(page["results"]))
            seen += [item["id"] for item in page["results"]]
            url = page["next"]
            if url is not None:
                assert url.startswith(f"{served.server.base_url}/v1/predictions?")
                assert "%3D%3D" in url
        assert sizes == [100, 100, 5]
        assert seen == made[::-1]

    def test_previous_leads_back(self, served: Served) -> None:
        for number in range(150):
            served.made("echo", {"text": str(number)})
        first = served.api.get("/predictions").json()
        second = served.api.get(first["next"]).json()
        back = served.api.get(second["previous"]).json()
        assert first["previous"] is None
        assert [item["id"] for item in back["results"]] == [item["id"] for item in first["results"]]

    def test_a_page_does_not_move_when_newer_ones_are_made(self, served: Served) -> None:
        made = [served.made("echo", {"text": str(number)}) for number in range(101)]
        following = served.api.get("/predictions").json()["next"]
        served.made("echo", {"text": "newer"})
        assert [item["id"] for item in served.api.get(following).json()["results"]] == [made[0]]

    def test_created_after_includes_and_created_before_excludes(self, timed: Served) -> None:
        made = []
        for _ in range(3):
            made.append(timed.made("echo", {"text": "a"}))
            timed.server.clock.advance(10)
        middle = "2026-11-18T11:06:50Z"
        later = timed.api.get("/predictions", params={"created_after": middle}).json()
        earlier = timed.api.get("/predictions", params={"created_before": middle}).json()
        assert [item["id"] for item in later["results"]] == [made[2], made[1]]
        assert [item["id"] for item in earlier["results"]] == [made[0]]
        assert timed.api.get("/predictions", params={"created_after": "yesterday"}).status_code == 400

    def test_filters_survive_paging(self, timed: Served) -> None:
        timed.made("echo", {"text": "old"})
        timed.server.clock.advance(60)
        new = [timed.made("echo", {"text": "new"}) for _ in range(101)]
        first = timed.api.get("/predictions", params={"created_after": "2026-11-18T11:07:00Z"}).json()
        second = timed.api.get(first["next"]).json()
        assert [item["id"] for item in second["results"]] == [new[0]]
        assert second["next"] is None

    def test_the_webhook_is_echoed_so_that_a_lost_creation_can_be_found(self, served: Served) -> None:
        hook = "http://127.0.0.1:9/callbacks/token?attempt=7"
        served.server.faults.set("create.reset_after")
        with pytest.raises(httpx.TransportError):
            served.create("manual", {}, webhook=hook, webhook_events_filter=["completed"])
        (found,) = [
            item for item in served.api.get("/predictions").json()["results"] if item["webhook"] == hook
        ]
        assert found["webhook_events_filter"] == ["completed"]
        assert [item.fault for item in served.server.creates] == ["create.reset_after"]

    def test_next_can_lead_astray(self, served: Served) -> None:
        for number in range(101):
            served.made("echo", {"text": str(number)})
        served.server.faults.set("list.foreign_next", value="http://127.0.0.3:7")
        assert urlsplit(served.api.get("/predictions").json()["next"]).netloc == "127.0.0.3:7"

    def test_next_can_be_the_text_null(self, served: Served) -> None:
        served.server.faults.set("list.null_string_next")
        assert served.api.get("/predictions").json()["next"] == "null"

    def test_a_cursor_is_checked(self, served: Served) -> None:
        assert served.api.get("/predictions", params={"cursor": "bm9uc2Vuc2U="}).status_code == 400

    def test_web_made_predictions_are_none_of_ours(self, served: Served) -> None:
        served.made("echo", {"text": "a"})
        assert served.api.get("/predictions", params={"source": "web"}).json()["results"] == []


class TestModels:
    def test_search_by_the_method_query(self, served: Served) -> None:
        answer = served.api.request(
            "QUERY", "/models", content=b"sleep", headers={"Content-Type": "text/plain"}
        )
        assert [item["name"] for item in answer.json()["results"]] == ["sleepy"]

    def test_search_needs_no_token_but_a_query(self, served: Served) -> None:
        url = f"{served.server.base_url}/v1/search"
        found = httpx.get(url, params={"query": "picture"}).json()
        assert [item["model"]["name"] for item in found["models"]] == ["picture"]
        assert httpx.get(url).status_code == 400
        assert httpx.get(url, params={"query": "a", "limit": "51"}).status_code == 400

    def test_models_and_versions_have_their_fields(self, served: Served) -> None:
        for item in served.api.get("/models").json()["results"]:
            assert missing_fields("model", item) == ()
            assert missing_fields("version", item["latest_version"]) == ()
        version = served.server.version_of("hookline/echo")
        body = served.api.get(f"/models/hookline/echo/versions/{version}").json()
        assert body["cog_version"] == "0.23.1"
        assert body["openapi_schema"]["components"]["schemas"]["Input"]["properties"]["text"]["x-order"] == 0

    def test_a_schema_can_be_null(self, served: Served) -> None:
        served.server.faults.set("models.null_schema")
        latest = served.api.get("/models/hookline/echo").json()["latest_version"]
        assert (latest["openapi_schema"], latest["cog_version"]) == (None, None)

    def test_small_read_only_ones(self, served: Served) -> None:
        assert missing_fields("account", served.api.get("/account").json()) == ()
        assert {"name", "sku"} == set(served.api.get("/hardware").json()[0])
        assert served.api.get("/webhooks/default/secret").json() == {"key": served.server.webhook_secret}
        assert served.api.get("/models/hookline/echo/readme").headers["content-type"].startswith("text/plain")
        served.server.faults.set("list.null_string_next")
        assert served.api.get("/collections").json()["next"] == "null"

    def test_a_deployment_runs_predictions(self, served: Served) -> None:
        version = served.server.version_of("hookline/echo")
        order = {
            "name": "d",
            "model": "hookline/echo",
            "version": version,
            "hardware": "cpu",
            "min_instances": 0,
            "max_instances": 1,
        }
        answer = served.api.post("/deployments", json=order)
        assert answer.status_code == 200
        assert missing_fields("deployment", answer.json()) == ()
        assert "name" in answer.json()["current_release"]["created_by"]
        made = served.api.post("/deployments/standin/d/predictions", json={"input": {"text": "a"}})
        assert (made.status_code, made.json()["deployment"]) == (201, "standin/d")
        changed = served.api.patch("/deployments/standin/d", json={"min_instances": 1})
        assert changed.json()["current_release"]["number"] == 2
        assert served.api.post("/deployments", json={**order, "hardware": "gpu-t4"}).status_code == 400
        assert served.api.delete("/deployments/standin/d").status_code == 204
        assert served.api.get("/deployments/standin/d").status_code == 404


class TestContract:
    def test_a_body_with_a_missing_field_never_leaves(self) -> None:
        with pytest.raises(ContractError, match="data_removed"):
            checked("prediction", {name: None for name in REQUIRED["prediction"] if name != "data_removed"})

    def test_the_published_document_s_fields_are_in_the_table(self) -> None:
        published = {
            "id",
            "model",
            "version",
            "input",
            "output",
            "data_removed",
            "error",
            "status",
            "created_at",
            "urls",
        }
        assert published <= set(REQUIRED["prediction"])

    def test_cursors_are_percent_encoded_once(self, served: Served) -> None:
        for number in range(101):
            served.made("echo", {"text": str(number)})
        following = served.api.get("/predictions").json()["next"]
        (cursor,) = parse_qs(urlsplit(following).query)["cursor"]
        assert cursor.endswith("==")
