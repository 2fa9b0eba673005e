"""Runs predictions: built-in plans step by step, everything else on a Cog server."""

from __future__ import annotations

import threading
from collections.abc import Generator
from dataclasses import replace
from typing import Any, Protocol

from hookline.testing.clock import Clock
from hookline.testing.faults import FaultPlan
from hookline.testing.replicate import plans
from hookline.testing.replicate.catalog import Catalog, openapi_schema
from hookline.testing.replicate.cdn import Cdn
from hookline.testing.replicate.predictions import Predictions
from hookline.testing.replicate.records import Prediction
from hookline.testing.replicate.tasks import Tasks

__all__ = ["Backend", "Executor", "publish_files"]


class Backend(Protocol):
    """Something that runs the predictions of models without a plan."""

    def begin(self, prediction: Prediction) -> None:
        """Take over a prediction that is ``starting``."""

    def forget(self, prediction: Prediction) -> None:
        """A prediction that was taken over is over, for whatever reason."""


def publish_files(cdn: Cdn, prediction_id: str, value: Any) -> Any:
    """`value` with every `FileValue` stored on the CDN and replaced by its URL."""
    match value:
        case plans.FileValue():
            return cdn.publish(prediction_id, value)
        case list():
            return [publish_files(cdn, prediction_id, item) for item in value]
        case dict():
            return {key: publish_files(cdn, prediction_id, item) for key, item in value.items()}
        case _:
            return value


class Executor:
    """Starts and ends predictions.

    Args:
        boot_seconds: How long a prediction stays ``starting``.
        backend: Runs models that have no plan.
    """

    def __init__(
        self,
        *,
        predictions: Predictions,
        catalog: Catalog,
        cdn: Cdn,
        clock: Clock,
        tasks: Tasks,
        faults: FaultPlan,
        boot_seconds: float,
        backend: Backend | None,
    ) -> None:
        self._predictions = predictions
        self._catalog = catalog
        self._cdn = cdn
        self._clock = clock
        self._tasks = tasks
        self._faults = faults
        self._boot_seconds = boot_seconds
        self._backend = backend
        self._held: set[str] = set()
        self._guard = threading.Lock()

    def submit(self, prediction: Prediction) -> None:
        """Run a new prediction, unless a fault keeps it ``starting``."""
        if self._faults.take("execution.stay_starting"):
            with self._guard:
                self._held.add(prediction.id)
            return
        if self._boot_seconds > 0:
            self._clock.call_later(
                self._boot_seconds, lambda: self._tasks.submit(lambda: self._begin(prediction))
            )
        else:
            self._tasks.submit(lambda: self._begin(prediction))

    def release(self, prediction_id: str) -> bool:
        """Start a prediction that was kept ``starting``; false when it was not."""
        with self._guard:
            if prediction_id not in self._held:
                return False
            self._held.remove(prediction_id)
        prediction = self._predictions.get(prediction_id)
        if prediction is not None:
            self._tasks.submit(lambda: self._begin(prediction))
        return True

    def _begin(self, prediction: Prediction) -> None:
        if (fault := self._faults.take("execution.fail")) is not None:
            self._predictions.start(prediction.id)
            error = fault.value or "Prediction interrupted; please retry (code: PA)"
            self._predictions.finish(prediction.id, "failed", error=error)
            return
        model = self._catalog.by_slug(prediction.model)
        model = (model.with_version(prediction.version) if model is not None else None) or model
        plan = None if model is None else model.train if prediction.is_training else model.plan
        if plan is None:
            if self._backend is None:
                raise RuntimeError(f"nothing runs the model {prediction.model}")
            self._backend.begin(prediction)
            return
        if self._predictions.start(prediction.id) is not None:
            self._advance(prediction.id, plan(prediction.input))

    def _publish_version(self, training: Prediction) -> str | None:
        """Give the destination of a training a new version, and name it; ``None`` when it is gone."""
        destination = self._catalog.by_slug(training.destination or "")
        if destination is None:
            return None
        made = replace(
            destination,
            schema=openapi_schema({"text": {"type": "string"}}, ["text"], {"type": "string"}),
            plan=plans.echo,
            published=True,
            revision=destination.revision + 1,
        )
        self._catalog.put(made)
        return f"{made.slug}:{made.version}"

    def _advance(self, prediction_id: str, plan: Generator[plans.Step, None, Any]) -> None:
        """Take steps until the plan ends or waits; a waiting plan goes on from a timer."""
        while True:
            record = self._predictions.get(prediction_id)
            if record is None or record.done:
                plan.close()
                return
            try:
                step = next(plan)
            except StopIteration as stop:
                output = publish_files(self._cdn, prediction_id, stop.value)
                if record.is_training:
                    version = self._publish_version(record)
                    if version is None:
                        error = "the training destination is gone"
                        self._predictions.finish(prediction_id, "failed", error=error)
                        return
                    output = {"version": version, **output}
                self._predictions.finish(prediction_id, "succeeded", output=output)
                return
            except plans.PlanFailed as failure:
                self._predictions.finish(prediction_id, "failed", error=str(failure))
                return
            match step:
                case plans.Log(text):
                    self._predictions.log(prediction_id, text)
                case plans.Emit(output):
                    self._predictions.emit(prediction_id, publish_files(self._cdn, prediction_id, output))
                case plans.Metric(name, value):
                    self._predictions.metric(prediction_id, name, value)
                case plans.Wait(seconds) if seconds > 0:
                    self._clock.call_later(
                        seconds, lambda: self._tasks.submit(lambda: self._advance(prediction_id, plan))
                    )
                    return
                case plans.Hold():
                    return
                case _:
                    continue
