"""A streaming text model for tests: the words of a prompt, one by one."""

# mypy: disable-error-code="import-not-found, import-untyped, misc"

import time

from cog import BasePredictor, ConcatenateIterator, Input


class Predictor(BasePredictor):
    def predict(
        self,
        prompt: str = Input(description="What comes back, word by word"),
        delay: float = Input(description="Seconds before each further word", default=0.0, ge=0, le=10),
    ) -> ConcatenateIterator[str]:
        words = prompt.split(" ")
        for number, word in enumerate(words):
            if number:
                time.sleep(delay)
            yield word if number == len(words) - 1 else word + " "
