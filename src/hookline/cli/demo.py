"""``hookline demo``: the main job from end to end, with real parts and no account.

A real S3 server, a real Cog server behind Replicate's API, and a Slack-shaped inbox run on this
machine, and so does Hookline. Everything is told where the others are through settings of its own: no
variable of the caller's environment that names an account or an address is looked at.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import io
import logging
import os
import queue
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hookline.core import events as ev
from hookline.core.state import RunState
from hookline.engine.engine import Engine, open_store
from hookline.engine.ids import IdFactory
from hookline.engine.intake import trigger_scope
from hookline.engine.loader import load_registry
from hookline.engine.settings import load_settings
from hookline.server.access import Access
from hookline.server.serving import serve
from hookline.testing.cog import MODELS, CogServer, cog_unavailable_reason
from hookline.testing.ports import LOOPBACK, free_port
from hookline.testing.replicate import ReplicateStandIn
from hookline.testing.s3 import RcloneNotInstalledError, S3Server, rclone_binary
from hookline.testing.slack import SlackStandIn

from .demo_picture import SIZE, paint_evening
from .demo_screen import News, Screen, read_news
from .demo_signals import Signals, Stopped, clean_up_undisturbed

__all__ = ["DEADLINE", "WORKFLOW", "run_demo"]

DEADLINE = 120.0
"""Seconds after which the demonstration gives up."""

CLEANING = 20.0
"""Seconds that stopping one part may take before the next one is stopped."""

WORKFLOW = "upload-restyle"
"""The starter workflow that is demonstrated."""

KEY = "raw/evening.jpg"
RESULT = "evening.webp"

Remote = Any
"""A boto3 client; boto3 has no types."""


class DemoFailed(Exception):
    """The demonstration did not show what it is there to show."""


def run_demo(once: bool, port: int | None) -> int:
    """Run the demonstration.

    Args:
        once: End with the run, instead of staying up for a look around.
        port: Port of the page; a free one if None.

    Returns:
        The exit code: 0 the run succeeded, 1 it did not, 2 something is not installed or the port is
        taken, 128 and the signal's number when it was interrupted before the run finished.
    """
    missing = _missing()
    if missing:
        print("The demonstration runs real servers, and something is missing here:", file=sys.stderr)
        for each in missing:
            print(f"  {each}", file=sys.stderr)
        print("Install them: pip install 'hookline[demo]'", file=sys.stderr)
        return 2
    screen = Screen.on(sys.stdout)
    folder = Path(tempfile.mkdtemp(prefix="hookline-demo-")).resolve()
    signals = Signals(DEADLINE)
    demo = Demo(folder, screen, signals, once=once, port=port)
    try:
        with _own_environment(), signals.caught():
            demo.play()
    except Stopped as stopped:
        code = 0 if demo.succeeded and stopped.code > 128 else stopped.code
        if code:
            print(f"\n{stopped}", file=sys.stderr)
    except PortTaken as error:
        code = 2
        print(error, file=sys.stderr)
    except Exception as error:
        # Whatever it stumbled over, the person who tries it must be told and not left with a trace.
        code = 0 if demo.succeeded else 1
        what = (
            "Something went wrong while everything was stopped"
            if demo.succeeded
            else "The demonstration failed"
        )
        print(f"\n{what}: {error or type(error).__name__}", file=sys.stderr)
    else:
        code = 0
    if once or not demo.succeeded:
        shutil.rmtree(folder, ignore_errors=True)
    else:
        screen.text(f"\nEverything is kept in {folder}; delete it when you like.")
    return code


class PortTaken(Exception):
    """The page's port is in use."""


def _missing() -> list[str]:
    """What has to be installed."""
    found = []
    for module, what in (("boto3", "boto3, which uploads the photo"), ("PIL", "Pillow, which paints it")):
        if importlib.util.find_spec(module) is None:
            found.append(f"{what}, is not installed")
    try:
        rclone_binary()
    except RcloneNotInstalledError:
        found.append("rclone, which is the S3 server, is not installed")
    reason = cog_unavailable_reason()
    if reason is not None:
        found.append(reason)
    return found


@dataclass(slots=True)
class Demo:
    """One demonstration in one folder."""

    folder: Path
    screen: Screen
    signals: Signals
    once: bool
    port: int | None
    succeeded: bool = False

    def play(self) -> None:
        """Start everything, show the run, and stay up unless `once`; leave nothing running.

        Raises:
            DemoFailed: The run did not succeed, or its effects are not there.
        """
        self.screen.text("An uploaded photo is checked, restyled by a model, stored and announced.")
        # Those that call Hookline are stopped first, so that nobody finds it gone.
        with ExitStack() as parts, ExitStack() as callers:
            try:
                self._play(parts, callers)
            finally:
                clean_up_undisturbed(CLEANING)

    def _play(self, parts: ExitStack, callers: ExitStack) -> None:
        screen = self.screen
        screen.heading("Starting")
        s3 = self._start(parts, "S3 server", "rclone serve s3", lambda: S3Server(self.folder / "buckets"))
        # The model makes temporary files; they go with the folder.
        scratch = self.folder / "model"
        scratch.mkdir()
        cog = self._start(
            parts,
            "Model server",
            "Cog, model restyle",
            lambda: CogServer(MODELS / "restyle", environment={"TMPDIR": str(scratch)}),
        )
        replicate = self._start(
            callers,
            "Replicate's API",
            "stand-in, runs the model on Cog",
            lambda: ReplicateStandIn(cog.base_url, fail_on_token_leak=False),
        )
        slack = self._start(callers, "Slack inbox", "stand-in", SlackStandIn)
        for bucket in ("uploads", "processed"):
            s3.create_bucket(bucket)

        began = time.monotonic()
        news: queue.SimpleQueue[News] = queue.SimpleQueue()
        engine = self._engine(parts, s3, replicate, slack, news)
        address = engine.base_url
        screen.done("Hookline", f"SQLite, one process: {address}", time.monotonic() - began)

        photo = paint_evening()
        remote = _boto3_client(s3)
        parts.callback(remote.close)
        self._upload(remote, photo)
        self._watch(engine, news)
        self._check(remote, photo, replicate, slack)
        self.succeeded = True
        self.signals.met()

        if self.once:
            return
        screen.heading("Look around")
        screen.pair("Runs", f"{address}/")
        screen.pair("Slack inbox", f"{slack.base_url}/")
        screen.pair("Buckets", str(s3.root))
        screen.pair("Workflow", str(self.folder / "workflows" / f"{WORKFLOW}.json"))
        screen.text(
            f"\nPut another picture into {s3.root / 'uploads' / 'raw'} and see it run. Ctrl-C ends this."
        )
        while True:
            screen.show(news.get())

    def _start(self, parts: ExitStack, label: str, what: str, make: Callable[[], Any]) -> Any:
        began = time.monotonic()
        with self.signals.held():
            part = parts.enter_context(make())
        where = part.endpoint_url if isinstance(part, S3Server) else part.base_url
        self.screen.done(label, f"{what}: {where}", time.monotonic() - began)
        return part

    def _engine(
        self,
        parts: ExitStack,
        s3: S3Server,
        replicate: ReplicateStandIn,
        slack: SlackStandIn,
        news: queue.SimpleQueue[News],
    ) -> Engine:
        """A project in the folder, its engine with triggers, and its server."""
        registry = load_registry()
        source = _starters() / f"{WORKFLOW}.json"
        definition = source.read_text("utf-8").replace('"interval": "15s"', '"interval": "1s"')
        (self.folder / "workflows").mkdir()
        (self.folder / "workflows" / source.name).write_text(definition, "utf-8")
        environment = {
            **s3.environment,
            "AWS_REGION": s3.environment["AWS_DEFAULT_REGION"],
            "REPLICATE_BASE_URL": replicate.base_url,
            "REPLICATE_API_TOKEN": replicate.token,
            "SLACK_BASE_URL": slack.api_url,
            "SLACK_BOT_TOKEN": slack.token,
            # Workflows may not reach this machine unless the operator says so.
            "HOOKLINE_ALLOW_ORIGINS": f"{replicate.base_url},{replicate.cdn_url},{slack.base_url}",
        }
        settings = load_settings(self.folder, environment)
        port = self.port or free_port()
        engine = Engine(
            settings,
            registry,
            open_store(settings, IdFactory(time.time, os.urandom).new("wrk")),
            base_url=f"http://{LOOPBACK}:{port}",
        )
        parts.callback(engine.stop, 2.0)

        def tell(state: RunState, events: Sequence[ev.Event]) -> None:
            for each in read_news(engine, state, events):
                news.put(each)

        engine.runner.on_events = tell
        loaded = engine.load_project()
        if WORKFLOW not in loaded.plans:
            problems = "; ".join(f"{found.code} {found.message}" for found in loaded.files[0].diagnostics)
            raise DemoFailed(f"the workflow {WORKFLOW} cannot be used here: {problems}")
        engine.start(triggers=True)
        try:
            server = serve(engine, Access.dev(port), LOOPBACK, port, 8)
        except OSError as error:
            raise PortTaken(f"port {port} cannot be used: {error.strerror}") from error
        parts.callback(server.close)
        self._await_first_look(engine)
        return engine

    def _await_first_look(self, engine: Engine) -> None:
        """What lies in the bucket at the first look starts nothing, so the photo must come after it."""
        plan = engine.plan(WORKFLOW)
        scope = trigger_scope(plan, plan.triggers[0])
        while engine.store.cursor(scope) is None:
            problem = engine.looking.pollers[scope].problem
            if problem:
                raise DemoFailed(f"the trigger cannot look into the bucket: {problem}")
            time.sleep(0.05)

    def _upload(self, remote: Remote, photo: bytes) -> None:
        self.screen.heading("Uploading a photo, as any S3 client would")
        began = time.monotonic()
        remote.put_object(Bucket="uploads", Key=KEY, Body=photo, ContentType="image/jpeg")
        what = f"s3://uploads/{KEY}: JPEG, {SIZE[0]} by {SIZE[1]}, {len(photo) // 1024} KB"
        self.screen.done("boto3 put_object", what, time.monotonic() - began)

    def _watch(self, engine: Engine, news: queue.SimpleQueue[News]) -> None:
        """Show the run until it is over."""
        while True:
            each = news.get()
            self.screen.show(each)
            if each.kind == "finished":
                break
        if each.status != "succeeded":
            raise DemoFailed(f"the run has {each.status}: {each.text}")

    def _check(self, remote: Remote, photo: bytes, replicate: ReplicateStandIn, slack: SlackStandIn) -> None:
        """Look at the effects themselves, not at what the run says of them."""
        from PIL import Image

        self.screen.heading("What is there now")
        stored = remote.get_object(Bucket="processed", Key=RESULT)["Body"].read()
        with Image.open(io.BytesIO(stored)) as picture:
            picture.load()
            kind, width, height = picture.format, picture.width, picture.height
        if hashlib.sha256(stored).digest() == hashlib.sha256(photo).digest():
            raise DemoFailed("the stored picture is the uploaded one")
        self.screen.done(
            "Bucket processed", f"{RESULT}: {kind}, {width} by {height}, {len(stored) // 1024} KB"
        )

        signed = [each for each in replicate.deliveries if each.accepted]
        if len(replicate.creates) != 1:
            raise DemoFailed(f"{len(replicate.creates)} predictions were created")
        if replicate.cdn_leaks:
            raise DemoFailed("the API token was sent to where the pictures are")
        if not signed:
            raise DemoFailed("no webhook of the prediction was accepted")
        self.screen.done("Replicate's API", f"1 prediction created, {len(signed)} signed webhook accepted")

        messages = [each for each in slack.messages if each.channel.name == "art"]
        if len(messages) != 1:
            raise DemoFailed(f"{len(messages)} messages are in #art")
        self.screen.done("Slack #art", messages[0].text)


def _starters() -> Path:
    from hookline._rooms import ROOT

    return ROOT / "workflows"


def _boto3_client(s3: S3Server) -> Remote:
    import boto3
    from botocore.config import Config

    return boto3.client(
        "s3",
        endpoint_url=s3.endpoint_url,
        aws_access_key_id=s3.access_key,
        aws_secret_access_key=s3.secret_key,
        region_name="us-east-1",
        config=Config(s3={"addressing_style": "path"}, connect_timeout=5, read_timeout=30, proxies={}),
    )


@contextlib.contextmanager
def _own_environment() -> Iterator[None]:
    """Hide the caller's accounts and proxies from libraries that look for them by themselves."""
    before = dict(os.environ)
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ |= {
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "NO_PROXY": f"{LOOPBACK},localhost",
        "no_proxy": f"{LOOPBACK},localhost",
    }
    # Browsers open many connections; that a request waits for a thread is no news for who tries it.
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
