"""Replicate: run a model, and never pay for it twice.

What `replicate.run` guarantees:

1. One POST per attempt. Before it, the intent (time, callback address, fingerprint of the input) is
   on disk; after it, the prediction's id is, before anything else happens.
2. `RateLimited` and `Unavailable` mean that nothing was created (429, or not connected). A timeout,
   a lost connection, a 5xx or an unreadable answer to the POST is `OutcomeUnknown`.
3. After a crash the prediction is looked up: by its id, by the signed webhook that came to this
   attempt's address, or in the account's list by the address it echoes, or by model and input, if
   it is nobody else's. Only a complete list, long enough after the intent, proves that there is
   none. Otherwise the step stays unknown; nothing is sent again.
4. Once created, nothing that fails on our side starts another: a failed look or download is
   repeated, a look that is refused too. Waiting costs a row. A webhook is a hint; only a signed one
   about this prediction, with a final status, is taken at its word. Duplicates and late ones change
   nothing.
5. The step's deadline is the prediction's ``Cancel-After``; a canceled run cancels it.
6. Output files are in the artifact store before the step is done. The token goes to the API only.
7. The result has one shape for every provider: `hookline.sdk.predictions.Prediction`.
"""

from __future__ import annotations

from . import (
    catalog_actions,
    deployment_actions,
    file_actions,
    model_actions,
    prediction_actions,
    training_actions,
    version_actions,
)
from .run import run
from .service import connect, replicate
from .training_actions import train
from .trigger import prediction_completed

__all__ = ["ACTIONS", "connect", "prediction_completed", "replicate", "run", "train"]

ACTIONS = (
    prediction_actions,
    model_actions,
    version_actions,
    catalog_actions,
    deployment_actions,
    training_actions,
    file_actions,
)
"""The modules with the other actions: importing them declares what is in them."""
