"""A real Cog server, alone and behind the Replicate stand-in."""

import base64
import io
import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from testing_support import Receiver, Served, client_of

from hookline.testing import cog as cog_module
from hookline.testing.cog import MODELS, CogNotInstalledError, CogServer, cog_unavailable_reason
from hookline.testing.httpd import HttpServer, Response
from hookline.testing.processes import ProcessFailedError
from hookline.testing.replicate import CogUnavailableError, ReplicateStandIn
from hookline.testing.replicate.catalog import input_schema

needs_cog = pytest.mark.skipif(cog_unavailable_reason() is not None, reason=str(cog_unavailable_reason()))


def data_url(color: tuple[int, int, int]) -> str:
    image = pytest.importorskip("PIL.Image")
    buffer = io.BytesIO()
    image.new("RGB", (64, 48), color).save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def pixel_of(data: bytes) -> tuple[int, int, int]:
    image = pytest.importorskip("PIL.Image")
    with image.open(io.BytesIO(data)) as opened:
        assert opened.size == (64, 48)
        red, green, blue = opened.convert("RGB").getpixel((10, 10))
    return red, green, blue


@pytest.fixture(scope="module")
def shout() -> Iterator[CogServer]:
    with CogServer(MODELS / "shout") as server:
        yield server


@pytest.fixture(scope="module")
def restyle() -> Iterator[CogServer]:
    with CogServer(MODELS / "restyle") as server:
        yield server


@pytest.fixture
def shouting(shout: CogServer) -> Iterator[Served]:
    with (
        ReplicateStandIn(shout.base_url, cog_models=["hookline/shout"]) as server,
        client_of(server) as api,
    ):
        yield Served(server, api)
        assert server.failures == []


@needs_cog
class TestServer:
    def test_it_serves_the_shipped_schema_on_loopback_only(self, shout: CogServer) -> None:
        shipped = json.loads((MODELS / "shout" / ".cog" / "openapi_schema.json").read_text())
        assert httpx.get(f"{shout.base_url}/openapi.json").json() == shipped
        assert shout.base_url.startswith("http://127.0.0.1:")

    def test_it_predicts(self, shout: CogServer) -> None:
        answer = httpx.post(f"{shout.base_url}/predictions", json={"input": {"text": "hello"}}).json()
        assert (answer["status"], answer["output"]) == ("succeeded", "HELLO")

    def test_it_is_gone_after_stop(self) -> None:
        with CogServer(MODELS / "shout") as server:
            process, url = server.process, server.base_url
        assert not process.running
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"{url}/health-check")

    def test_a_setup_that_fails_is_told_with_its_words(self, tmp_path: Path) -> None:
        (tmp_path / ".cog").mkdir()
        (tmp_path / ".cog" / "openapi_schema.json").write_text("{}")
        source = (MODELS / "shout" / "predict.py").read_text()
        broken = source.replace(
            "    def predict(",
            "    def setup(self):\n        raise OSError('no weights')\n\n    def predict(",
        )
        (tmp_path / "predict.py").write_text(broken)
        with pytest.raises(ProcessFailedError, match="no weights"):
            CogServer(tmp_path).start()


class TestWithoutCog:
    def test_a_directory_without_schema_is_refused(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(cog_module, "cog_unavailable_reason", lambda: None)
        (tmp_path / "predict.py").write_text("")
        with pytest.raises(FileNotFoundError, match=r"openapi_schema\.json"):
            CogServer(tmp_path).start()

    @pytest.mark.parametrize(
        ("system", "machine", "libc", "text"),
        [
            ("Linux", "x86_64", "glibc", "pip install"),
            ("Darwin", "arm64", "", "pip install"),
            ("Windows", "AMD64", "", "no wheel for Windows"),
            ("Linux", "x86_64", "musl", "no wheel for Linux"),
            ("Darwin", "x86_64", "", "no wheel for Darwin"),
        ],
    )
    def test_the_remedy_fits_the_platform(
        self, monkeypatch: pytest.MonkeyPatch, system: str, machine: str, libc: str, text: str
    ) -> None:
        monkeypatch.setattr(cog_module.importlib.util, "find_spec", lambda name: None)
        monkeypatch.setattr(cog_module.platform, "system", lambda: system)
        monkeypatch.setattr(cog_module.platform, "machine", lambda: machine)
        monkeypatch.setattr(cog_module.platform, "libc_ver", lambda: (libc, ""))
        assert text in str(cog_unavailable_reason())
        with pytest.raises(CogNotInstalledError, match=text):
            CogServer(MODELS / "shout").start()

    @pytest.mark.parametrize("name", ["restyle", "shout", "tokens"])
    def test_the_shipped_schemas_have_described_inputs(self, name: str) -> None:
        schema = json.loads((MODELS / name / ".cog" / "openapi_schema.json").read_text())
        properties = input_schema(schema)["properties"]
        assert [item["x-order"] for item in properties.values()] == list(range(len(properties)))
        assert all(item["description"] for item in properties.values())

    def test_no_server_is_a_clear_error_and_leaves_nothing_open(self) -> None:
        with pytest.raises(CogUnavailableError, match="start it first"):
            ReplicateStandIn("http://127.0.0.1:9")
        with pytest.raises(ValueError, match="loopback"):
            ReplicateStandIn("http://192.0.2.1:5000")

    def test_a_server_without_schema_is_a_clear_error(self) -> None:
        http = HttpServer()
        http.start(lambda request: Response.of(503, {"error": "OpenAPI schema not available"}))
        with pytest.raises(CogUnavailableError, match=r"openapi_schema\.json"):
            ReplicateStandIn(http.origin)
        http.stop()


@needs_cog
class TestPictures:
    def test_a_round_trip(self, restyle: CogServer, receiver: Receiver) -> None:
        with ReplicateStandIn(restyle.base_url) as server, client_of(server) as api:
            body = {
                "version": "hookline/restyle",
                "input": {"image": data_url((250, 10, 30)), "style": "negative", "output_format": "png"},
                "webhook": receiver.url,
                "webhook_events_filter": ["start", "completed"],
            }
            made = api.post("/predictions", json=body)
            assert made.status_code == 201, made.text
            ended = server.wait_for(made.json()["id"])
            assert ended.error is None
            receiver.wait_for(lambda requests: len(requests) == 2)
            assert receiver.statuses == ["starting", "succeeded"]
            assert receiver.requests[-1].json()["output"] == ended.output
            assert ended.output.startswith(server.cdn_url)
            answer = httpx.get(ended.output)
            assert answer.headers["content-type"] == "image/png"
            assert pixel_of(answer.content) == (5, 245, 225)
            assert "64 x 48 pixels" in (ended.logs or "")
            assert ended.metrics["image_output_count"] == 1
            assert ended.metrics["predict_time"] > 0
            assert server.failures == []

    @pytest.mark.parametrize("style", ["poster", "sepia", "negative", "pixelate"])
    def test_every_style_gives_a_webp(self, restyle: CogServer, style: str) -> None:
        with ReplicateStandIn(restyle.base_url) as server, client_of(server) as api:
            body = {
                "version": "hookline/restyle",
                "input": {"image": data_url((250, 10, 30)), "style": style},
            }
            ended = server.wait_for(api.post("/predictions", json=body).json()["id"])
            data = httpx.get(ended.output).content
            assert data[8:12] == b"WEBP"
            pixel_of(data)

    def test_pictures_by_url_and_by_the_files_api(self, restyle: CogServer) -> None:
        picture = base64.b64decode(data_url((250, 10, 30)).partition(",")[2])
        http = HttpServer()
        http.start(lambda request: Response(200, picture, "image/png"))
        with ReplicateStandIn(restyle.base_url) as server, client_of(server) as api:
            uploaded = api.post("/files", files={"content": ("a.png", picture, "image/png")}).json()
            for url in (f"{http.origin}/a.png", uploaded["urls"]["get"]):
                body = {
                    "version": "hookline/restyle",
                    "input": {"image": url, "style": "negative", "output_format": "png"},
                }
                ended = server.wait_for(api.post("/predictions", json=body).json()["id"])
                assert ended.error is None
                assert pixel_of(httpx.get(ended.output).content) == (5, 245, 225)
        http.stop()

    def test_nothing_is_fetched_from_elsewhere(self, restyle: CogServer) -> None:
        with ReplicateStandIn(restyle.base_url) as server, client_of(server) as api:
            body = {"version": "hookline/restyle", "input": {"image": "https://192.0.2.1/a.png"}}
            ended = server.wait_for(api.post("/predictions", json=body).json()["id"])
            assert ended.status == "failed"
            assert "does not fetch" in (ended.error or "")

    def test_bad_input_is_refused_before_cog_sees_it(self, restyle: CogServer) -> None:
        with ReplicateStandIn(restyle.base_url) as server, client_of(server) as api:
            body = {"version": "hookline/restyle", "input": {"image": "/etc/hostname", "style": "cubist"}}
            answer = api.post("/predictions", json=body)
            fields = {item["field"]: item["type"] for item in answer.json()["invalid_fields"]}
            assert fields == {"input.image": "format", "input.style": "enum"}
            assert server.creates == []


@needs_cog
class TestText:
    def test_more_predictions_than_cog_takes_at_once_are_queued(self, shouting: Served) -> None:
        made = [shouting.made("shout", {"text": f"a{number}"}) for number in range(8)]
        assert [shouting.server.wait_for(item).output for item in made] == [
            f"A{number}" for number in range(8)
        ]

    def test_the_model_s_failure(self, shouting: Served) -> None:
        ended = shouting.server.wait_for(shouting.made("shout", {"text": "a", "error": "asked to fail"}))
        assert ended.status == "failed"
        assert "asked to fail" in (ended.error or "")

    def test_cancel_reaches_cog_and_frees_it(self, shouting: Served, shout: CogServer) -> None:
        made = shouting.made("shout", {"text": "a", "seconds": 60})
        shouting.server.wait_for(made, lambda record: record.status == "processing")
        assert shouting.api.post(f"/predictions/{made}/cancel").json()["status"] == "canceled"
        following = shouting.made("shout", {"text": "next"})
        assert shouting.server.wait_for(following).output == "NEXT"

    def test_cancel_in_the_queue(self, shouting: Served) -> None:
        first = shouting.made("shout", {"text": "a", "seconds": 60})
        shouting.server.wait_for(first, lambda record: record.status == "processing")
        second = shouting.made("shout", {"text": "b"})
        assert shouting.api.post(f"/predictions/{second}/cancel").json()["status"] == "canceled"
        shouting.api.post(f"/predictions/{first}/cancel")
        assert shouting.server.wait_for(shouting.made("shout", {"text": "c"})).output == "C"
        assert "started_at" not in shouting.read(second)

    def test_a_server_that_dies_interrupts_its_prediction(self) -> None:
        with CogServer(MODELS / "shout") as cog:
            stand_in = ReplicateStandIn(cog.base_url, cog_models=["hookline/shout"], cog_check_seconds=0.05)
            with stand_in as server, client_of(server) as api:
                served = Served(server, api)
                made = served.made("shout", {"text": "a", "seconds": 60})
                server.wait_for(made, lambda record: record.status == "processing")
                cog.process.kill()
                ended = server.wait_for(made)
                assert (ended.status, ended.error) == (
                    "failed",
                    "Prediction interrupted; please retry (code: PA)",
                )
                later = server.wait_for(served.made("shout", {"text": "b"}))
                assert later.status == "failed"
