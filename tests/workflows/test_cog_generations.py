"""Both generations of Cog's server, each real: a text, a picture and a stream, through workflows."""

from __future__ import annotations

import base64
import io
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from hookline.testing.cog import MODELS, CogServer, cog_unavailable_reason

from .installation import Installation, install, wait_until

Image = pytest.importorskip("PIL.Image", reason="Pillow is not installed: pip install hookline[images]")

pytestmark = pytest.mark.timeout(400)
PROMPT = "one two  three\nfour"


def definition(model: str, **values: Any) -> dict[str, Any]:
    step = {
        "uses": "cog.run",
        "connection": model,
        "timeout": "2m",
        "with": {"input": values, "poll_interval": 1},
    }
    return {
        "name": model,
        "trigger": {"uses": "webhook", "with": {"path": model, "auth": {"type": "none"}}},
        "steps": [{"id": "answer", **step}],
        "output": "{{ steps.answer }}",
    }


@pytest.fixture(scope="module", params=["0.23.1", "0.16.12"])
def python(request: pytest.FixtureRequest, python_with: Callable[..., Path]) -> Path:
    if request.param == "0.23.1":
        reason = cog_unavailable_reason()
        if reason is not None:
            pytest.skip(reason)
        return Path(sys.executable)
    return python_with(f"cog=={request.param}", "pillow")


@pytest.fixture(scope="module")
def servers(python: Path) -> Iterator[dict[str, CogServer]]:
    with ExitStack() as stack:
        yield {
            name: stack.enter_context(CogServer(MODELS / name, python=python))
            for name in ("shout", "restyle", "tokens")
        }


@contextmanager
def installed(
    folder: Path, servers: dict[str, CogServer], *definitions: Any, more: str = ""
) -> Iterator[Installation]:
    tables = more + "".join(
        f'\n[connections.{name}]\ntype = "cog"\nbase_url = "{server.base_url}"\n'
        for name, server in servers.items()
    )
    with install(
        folder / "project",
        environment={},
        definitions=definitions,
        settings=tables,
    ) as hookline:
        yield hookline


def answer(hookline: Installation, name: str) -> dict[str, Any]:
    output: dict[str, Any] = hookline.succeeded(name)["output"]
    assert (output["status"], output["provider"], output["error_type"]) == ("succeeded", "cog", None)
    assert output["latency_ms"] >= 0
    return output


def test_a_text_a_picture_and_a_stream(tmp_path: Path, servers: dict[str, CogServer]) -> None:
    red = io.BytesIO()
    Image.new("RGB", (8, 8), (250, 10, 30)).save(red, "PNG")
    picture = f"data:image/png;base64,{base64.b64encode(red.getvalue()).decode()}"
    definitions = (
        definition("shout", text="hello"),
        definition("restyle", image=picture, style="negative", output_format="png"),
        definition("tokens", prompt=PROMPT),
    )
    with installed(tmp_path, servers, *definitions) as hookline:
        for name in servers:
            assert hookline.post(name).status_code == 202
        assert answer(hookline, "shout")["output_text"] == "HELLO"
        streamed = answer(hookline, "tokens")
        assert (streamed["output_type"], streamed["output_text"]) == ("text", PROMPT)
        (file,) = answer(hookline, "restyle")["files"]
        with Image.open(io.BytesIO(b"".join(hookline.engine.artifacts.pieces(file["sha256"])))) as kept:
            assert kept.convert("RGB").getpixel((3, 3)) == (5, 245, 225)


def test_more_than_a_server_takes_at_once_wait_their_turn(
    tmp_path: Path, servers: dict[str, CogServer]
) -> None:
    slow = definition("shout", text="busy", seconds=0.4)
    slow["steps"][0]["connection"] = "crowded"
    url = servers["shout"].base_url
    table = f'\n[connections.crowded]\ntype = "cog"\nbase_url = "{url}"\nlimits = {{ concurrency = 8 }}\n'
    with installed(tmp_path, servers, slow, more=table) as hookline:
        runs = [hookline.post("shout").json()["runs"][0] for _ in range(4)]
        for run in runs:
            hookline.engine.outcome(run).result(60)
        outputs = [hookline.engine.run_document(run)["output"] for run in runs]
        assert [(output["output_text"], output["attempts"]) for output in outputs] == [("BUSY", 1)] * 4


@pytest.mark.parametrize(
    ("model", "values", "kind", "told"),
    [
        ("shout", {"text": "x", "error": "asked to fail"}, "bad_input", "asked to fail"),
        ("shout", {}, "bad_input", "text"),
        ("shout", {"text": "x", "seconds": 99}, "bad_input", "60"),
        ("restyle", {"image": "/etc/hostname"}, "bad_input", "/input/image"),
        ("restyle", {"image": "http://127.0.0.1:9/inside.png"}, "bad_input", "127.0.0.1:9 is not allowed"),
    ],
)
def test_what_a_model_does_not_take_is_the_input_s_fault(
    tmp_path: Path, servers: dict[str, CogServer], model: str, values: Any, kind: str, told: str
) -> None:
    with installed(tmp_path, servers, definition(model, **values)) as hookline:
        hookline.post(model)
        run = hookline.finished(model)
        assert (run["status"], run["error"]["type"]) == ("failed", kind)
        assert told in run["error"]["message"]


def test_an_empty_text_is_a_text(tmp_path: Path, servers: dict[str, CogServer]) -> None:
    with installed(tmp_path, servers, definition("shout", text="")) as hookline:
        hookline.post("shout")
        output = answer(hookline, "shout")
        assert (output["output_type"], output["output_text"], output["output"]) == ("text", "", "")


@pytest.mark.parametrize("delivery", ["callback", "connection"])
def test_a_run_that_is_canceled_frees_the_server(
    tmp_path: Path, servers: dict[str, CogServer], delivery: str
) -> None:
    """Also while the connection is held, whose end alone does not tell a server up to 0.16."""
    slow = definition("shout", text="late", seconds=60)
    slow["steps"][0]["with"]["delivery"] = delivery

    def is_(status: str) -> bool:
        address = f"{servers['shout'].base_url}/health-check"
        return bool(httpx.get(address, trust_env=False).json()["status"] == status)

    with installed(tmp_path, servers, slow) as hookline:
        run = hookline.post("shout").json()["runs"][0]
        wait_until(lambda: is_("BUSY"))
        if delivery == "callback":
            hookline.until_waiting(run)
        assert hookline.engine.cancel(run)
        assert hookline.finished("shout")["status"] == "canceled"
        wait_until(lambda: is_("READY"), 20)


def test_a_server_that_is_restarted_runs_it_again(tmp_path: Path, python: Path) -> None:
    with CogServer(MODELS / "shout", python=python) as first:
        port = int(first.base_url.rpartition(":")[2])
        with installed(
            tmp_path, {"shout": first}, definition("shout", text="again", seconds=1.5)
        ) as hookline:
            run = hookline.post("shout").json()["runs"][0]
            hookline.until_waiting(run)
            first.process.kill()
            with CogServer(MODELS / "shout", port, python=python):
                assert answer(hookline, "shout")["output_text"] == "AGAIN"
        first.stop()


def test_another_model_at_the_address_is_not_answered_from_the_cache(tmp_path: Path, python: Path) -> None:
    """``loud`` is the same model with other weights: the same inputs and outputs, and not the same answer."""
    loud = tmp_path / "loud"
    shutil.copytree(MODELS / "shout", loud)
    code = (loud / "predict.py").read_text("utf-8")
    (loud / "predict.py").write_text(code.replace("return text.upper()", 'return text.upper() + "!"'))
    native, moved, named = (definition(name, text="hello") for name in ("native", "moved", "named"))
    moved["steps"][0] |= {"uses": "replicate.run"}
    for workflow in (native, moved, named):
        workflow["steps"][0] |= {"connection": "shout", "cache": "1h"}
    named["steps"][0]["connection"] = "named"

    def ask(hookline: Installation, name: str) -> tuple[str, bool]:
        run = hookline.post(name).json()["runs"][0]
        hookline.engine.outcome(run).result(60)
        output = hookline.engine.run_document(run)["output"]
        return output["output_text"], output["cached"]

    with CogServer(MODELS / "shout", python=python) as first:
        port = int(first.base_url.rpartition(":")[2])
        table = f'\n[connections.named]\ntype = "cog"\nbase_url = "{first.base_url}"\nmodel_version = "1"\n'
        with installed(tmp_path, {"shout": first}, native, moved, named, more=table) as hookline:
            assert ask(hookline, "native") == ("HELLO", False)
            assert ask(hookline, "native") == ("HELLO", True)
            assert ask(hookline, "moved") == ("HELLO", True), "it is the same action that runs"
            assert ask(hookline, "named") == ("HELLO", False)
            first.stop()
            with CogServer(loud, port, python=python):
                assert ask(hookline, "native") == ("HELLO!", False)
                assert ask(hookline, "moved") == ("HELLO!", True)
                assert ask(hookline, "named") == ("HELLO", True), "the operator vouches for it"
