"""A text model for tests: upper case, after a while, or a failure."""

# mypy: disable-error-code="import-not-found, import-untyped, misc"

import time

from cog import BasePredictor, Input

SLICE_SECONDS = 0.05


class Predictor(BasePredictor):
    def predict(
        self,
        text: str = Input(description="What to shout"),
        seconds: float = Input(description="How long to take", default=0.0, ge=0, le=60),
        error: str = Input(description="Fail with this text; empty succeeds", default=""),
    ) -> str:
        print(f"shouting {text!r}")
        deadline = time.monotonic() + seconds
        # In slices, because Cog cancels between two steps of Python, never within one.
        while time.monotonic() < deadline:
            time.sleep(SLICE_SECONDS)
        if error:
            raise ValueError(error)
        if hasattr(self, "record_metric"):  # not up to Cog 0.16
            self.record_metric("character_output_count", len(text))
        return text.upper()
