"""The stand-in as one object: it starts, it serves, it stops."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from types import TracebackType
from typing import Any, Self

from hookline.testing.clock import Clock, ManualClock, SystemClock
from hookline.testing.faults import FaultPlan
from hookline.testing.httpd import HttpServer
from hookline.testing.ports import LOOPBACK
from hookline.testing.replicate.api import Api
from hookline.testing.replicate.catalog import Catalog, Model, built_in_models, cog_model
from hookline.testing.replicate.cdn import Cdn, CdnRequest
from hookline.testing.replicate.cog_backend import CogBackend, read_cog_schema
from hookline.testing.replicate.control_routes import ControlRoutes
from hookline.testing.replicate.execution import Executor, publish_files
from hookline.testing.replicate.fault_names import FAULTS
from hookline.testing.replicate.file_routes import MAX_FILE_BYTES, FileRoutes
from hookline.testing.replicate.model_routes import ModelRoutes
from hookline.testing.replicate.prediction_routes import PredictionRoutes
from hookline.testing.replicate.predictions import Predictions
from hookline.testing.replicate.records import Creation, Delivery, Prediction
from hookline.testing.replicate.services import Services
from hookline.testing.replicate.signing import new_secret
from hookline.testing.replicate.streams import Streams
from hookline.testing.replicate.tasks import Tasks
from hookline.testing.replicate.training_routes import TrainingRoutes
from hookline.testing.replicate.webhooks import RETRY_DELAYS, Webhooks
from hookline.testing.replicate.wire import Wire

__all__ = ["DEFAULT_TOKEN", "ReplicateStandIn", "TokenLeakError"]

DEFAULT_TOKEN = "r8_" + "StandIn".ljust(37, "0")
"""Has the form of a real token (40 characters) and is none."""


class TokenLeakError(AssertionError):
    """The client under test sent its API token to the output CDN."""


class ReplicateStandIn:
    """A strict stand-in for Replicate's HTTP API on loopback. Use it as a context manager.

    Args:
        cog_url: A running Cog server; the models in `cog_models` run on it.
        cog_models: Names (``owner/name``) of the models the Cog server runs.
        cog_check_seconds: How often to look after predictions whose completion has not come from Cog.
        token: The one valid API token.
        webhook_secret: ``whsec_…``; a fresh one when ``None``.
        host: A loopback address.
        port: 0 picks a free one.
        cdn_port: Port of the output CDN, another origin; 0 picks a free one.
        clock: `ManualClock` lets a test decide when deadlines, retries and retention happen.
        boot_seconds: How long predictions stay ``starting``.
        retention: Seconds after completion until a prediction's data and files are gone.
        allow_http_webhooks: Take ``http`` webhook addresses on loopback; Replicate takes ``https`` only.
        enforce_limits: Answer 429 past Replicate's documented request limits.
        tells_limits: Tell these limits in headers, as Replicate does; clients may wait because of them.
        webhook_retry_delays: Seconds before each further attempt at a terminal webhook.
        webhook_timeout: Seconds a receiver may take to answer.
        fail_on_token_leak: Leaving the context raises `TokenLeakError` when the CDN was sent a token.
        models: Further models.
        max_file_bytes: Limit of the Files API.

    Raises:
        ValueError: An address is not loopback.
        OSError: A port is taken.
        CogUnavailableError: No usable Cog server at `cog_url`.
    """

    def __init__(
        self,
        cog_url: str | None = None,
        *,
        cog_models: Sequence[str] = ("hookline/restyle",),
        cog_check_seconds: float = 2.0,
        token: str = DEFAULT_TOKEN,
        webhook_secret: str | None = None,
        host: str = LOOPBACK,
        port: int = 0,
        cdn_port: int = 0,
        clock: Clock | None = None,
        boot_seconds: float = 0.0,
        retention: float = 3600.0,
        allow_http_webhooks: bool = True,
        enforce_limits: bool = False,
        tells_limits: bool = True,
        webhook_retry_delays: Sequence[float] = RETRY_DELAYS,
        webhook_timeout: float = 5.0,
        fail_on_token_leak: bool = True,
        models: Iterable[Model] = (),
        max_file_bytes: int = MAX_FILE_BYTES,
    ) -> None:
        self.token = token
        self.faults = FaultPlan(FAULTS)
        self.clock: Clock = clock or SystemClock()
        self._fail_on_token_leak = fail_on_token_leak
        # Asked first: nothing is open yet that would have to be closed when no Cog server answers.
        cog_schema = None if cog_url is None else read_cog_schema(cog_url)
        self._server = HttpServer(host=host, port=port, name="replicate")
        try:
            self._cdn = Cdn(self.faults, host=host, port=cdn_port)
        except OSError:
            self._server.stop()
            raise
        self._predictions = Predictions(self.clock, retention)
        self._streams = Streams(self._predictions, self.clock, self.faults, host=host)
        self._tasks = Tasks()
        if isinstance(self.clock, ManualClock):
            self.clock.settle = self._tasks.wait_idle
        wire = Wire(self.base_url, self._streams.origin)
        offered = [*built_in_models(), *models]
        self._cog: CogBackend | None = None
        if cog_url is not None and cog_schema is not None:
            offered += [cog_model(slug, cog_schema) for slug in cog_models]
            self._cog = CogBackend(
                cog_url,
                cog_schema,
                callback_base=self.base_url,
                predictions=self._predictions,
                cdn=self._cdn,
                clock=self.clock,
                tasks=self._tasks,
                read_own_file=lambda url: self._files.read_own(url),
                check_seconds=cog_check_seconds,
            )
            self._predictions.on_done = self._cog.forget
        self.catalog = Catalog(offered)
        self._webhooks = Webhooks(
            clock=self.clock,
            tasks=self._tasks,
            faults=self.faults,
            render=wire.prediction,
            current=self._predictions.get,
            secret=webhook_secret or new_secret(),
            retry_delays=webhook_retry_delays,
            timeout=webhook_timeout,
        )
        self._predictions.on_event = self._webhooks.notice
        self._predictions.on_purge = self._cdn.remove
        self._executor = Executor(
            predictions=self._predictions,
            catalog=self.catalog,
            cdn=self._cdn,
            clock=self.clock,
            tasks=self._tasks,
            faults=self.faults,
            boot_seconds=boot_seconds,
            backend=self._cog,
        )
        self._parts = Services(
            clock=self.clock,
            faults=self.faults,
            catalog=self.catalog,
            predictions=self._predictions,
            executor=self._executor,
            cdn=self._cdn,
            wire=wire,
            webhooks=self._webhooks,
            username="standin",
            allow_http_webhooks=allow_http_webhooks,
            cog=self._cog,
        )
        self._files = FileRoutes(self._parts, self.base_url, max_file_bytes)
        self._enforce_limits = enforce_limits
        self._tells_limits = tells_limits

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        if kind is None and self._fail_on_token_leak and self.cdn_leaks:
            paths = ", ".join(request.path for request in self.cdn_leaks)
            raise TokenLeakError(f"the API token was sent to the output CDN with {paths}")

    @property
    def base_url(self) -> str:
        """``http://127.0.0.1:PORT``, without ``/v1``: the value of ``REPLICATE_BASE_URL``."""
        return self._server.origin

    @property
    def webhook_secret(self) -> str:
        """What webhooks are signed with from now on; set it as an account's owner would change it."""
        return self._webhooks.secret

    @webhook_secret.setter
    def webhook_secret(self, secret: str) -> None:
        self._webhooks.secret = secret

    @property
    def environment(self) -> dict[str, str]:
        """What Hookline has to be told to use it."""
        return {
            "REPLICATE_BASE_URL": self.base_url,
            "REPLICATE_API_TOKEN": self.token,
            "REPLICATE_WEBHOOK_SECRET": self.webhook_secret,
            "HOOKLINE_ALLOW_ORIGINS": f"{self.base_url},{self.cdn_url},{self.streams_url}",
        }

    @property
    def cdn_url(self) -> str:
        """Origin of the output CDN."""
        return self._cdn.origin

    @property
    def creates(self) -> list[Creation]:
        """Every prediction that was made, also those whose answer was lost, in order."""
        return self._parts.creations.all()

    @property
    def predictions(self) -> dict[str, Prediction]:
        """All predictions by id, as they are now."""
        return self._predictions.all()

    @property
    def deliveries(self) -> list[Delivery]:
        """Every attempt to deliver a webhook, in order."""
        return self._webhooks.deliveries

    @property
    def cdn_requests(self) -> list[CdnRequest]:
        """Every request to the output CDN, in order."""
        return self._cdn.requests

    @property
    def cdn_leaks(self) -> list[CdnRequest]:
        """Requests to the output CDN that carried an ``Authorization`` header."""
        return self._cdn.leaks

    @property
    def streams_url(self) -> str:
        """Origin of the streams of outputs."""
        return self._streams.origin

    @property
    def stream_requests(self) -> list[CdnRequest]:
        """Every request for a stream, in order."""
        return self._streams.requests

    @property
    def failures(self) -> list[BaseException]:
        """Exceptions in the stand-in's own background work: always its fault, never the client's."""
        return list(self._tasks.failures)

    def version_of(self, slug: str) -> str:
        """The 64-digit version id of the model ``owner/name``.

        Raises:
            KeyError: There is no such model.
        """
        return self.catalog.models[slug].version

    def start(self) -> None:
        """Begin to serve."""
        model_routes = ModelRoutes(self._parts)
        training_routes = TrainingRoutes(self._parts, self.base_url)
        prediction_routes = PredictionRoutes(self._parts, model_routes.deployment_model, self.base_url)
        routes = [
            *prediction_routes.routes(),
            *training_routes.routes(),
            *model_routes.routes(),
            *self._files.routes(),
            *ControlRoutes(self._parts).routes(),
        ]
        self._cdn.start()
        self._streams.start()
        self._server.start(
            Api(
                routes,
                token=self.token,
                clock=self.clock,
                faults=self.faults,
                creations=self._parts.creations,
                enforce_limits=self._enforce_limits,
                tells_limits=self._tells_limits,
            )
        )

    def stop(self) -> None:
        """Stop serving and return once every thread is gone. Pending webhooks are not sent."""
        self._predictions.close()
        self.clock.stop()
        self._server.stop()
        self._cdn.stop()
        self._streams.stop()
        self._tasks.stop()
        self._webhooks.stop()
        if self._cog is not None:
            self._cog.stop()

    def settle(self, timeout: float = 30.0) -> None:
        """Return once no background work is running: what is left to do waits for the clock.

        Raises:
            TimeoutError: Still busy after `timeout` seconds.
        """
        self._tasks.wait_idle(timeout)

    def wait_for(
        self, prediction_id: str, until: Callable[[Prediction], bool] | None = None, timeout: float = 30.0
    ) -> Prediction:
        """The prediction once `until` holds of it (default: it is over).

        Raises:
            TimeoutError: It does not within `timeout` seconds of real time.
        """
        return self._predictions.await_record(prediction_id, until or (lambda record: record.done), timeout)

    def wait_for_deliveries(
        self, condition: Callable[[Sequence[Delivery]], bool], timeout: float = 30.0
    ) -> list[Delivery]:
        """The webhook deliveries once `condition` holds of them.

        Raises:
            TimeoutError: It does not within `timeout` seconds of real time.
        """
        return self._webhooks.wait_for(condition, timeout)

    def release(self, prediction_id: str) -> bool:
        """Start a prediction that the fault ``execution.stay_starting`` holds; false when it is not held."""
        return self._executor.release(prediction_id)

    def complete(self, prediction_id: str, output: Any = None, logs: str | None = None) -> None:
        """End a prediction of ``hookline/manual`` well. Each `FileValue` becomes a URL of the CDN."""
        self._predictions.start(prediction_id)
        published = publish_files(self._cdn, prediction_id, output)
        self._predictions.finish(prediction_id, "succeeded", output=published, logs=logs)

    def fail(self, prediction_id: str, error: str) -> None:
        """End a prediction of ``hookline/manual`` badly."""
        self._predictions.start(prediction_id)
        self._predictions.finish(prediction_id, "failed", error=error)

    def download_url(self, file_id: str) -> str:
        """The signed download address of a file of the Files API."""
        return self._files.download_url(file_id)
