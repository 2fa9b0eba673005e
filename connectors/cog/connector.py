"""Cog: run a model on a server of your own (https://cog.run), with the result of `replicate.run`.

What happens to one attempt, and what may happen twice:

A Cog server keeps nothing. It answers under an id of our choosing (``PUT /predictions/{id}``), runs
an id that is in flight once, however often it is put, and forgets it with its end: the same PUT then
**runs the model again**. There is no way to ask for a result; it comes by webhook, which is not
signed but goes to an address nobody can guess.

1. The id follows from the attempt. The intent is noted before the first PUT. So a crash leads to a
   look-up: the callback that arrived meanwhile is used first, and only then the id is put again,
   which joins the prediction that runs.
2. When no callback comes, the server is asked how it is. While it is busy the wait goes on. Once it is
   not, the id is put again with the connection held: one that is in flight all the same (a server with
   several slots) answers with its state, and the wait goes on. Only one whose result is lost (the server
   was restarted, or could not reach us) runs again and answers with its result, unless the server has
   come back with another schema. ``"when_lost": "fail"`` never puts an id twice, and fails the step.
3. So the effect is ``check``: it is looked up before anything is repeated, never run twice while it
   runs, and run again only when its result is provably not to be had.
4. Up to Cog 0.16 a webhook names files by their paths on the server's own disk. A model that gives
   files is then waited for on a held connection, whatever ``delivery`` says; so is every model where
   nobody listens for callbacks.
5. A server has no queue. While it has no free slot (409, BUSY) or sets up its model, the step waits
   and holds nothing; that is no attempt. One whose model does not work is `Unavailable`.
6. A server opens paths on its own disk and addresses in its own network. Neither gets to a file input:
   paths are refused, and addresses are fetched here first, unless the step says otherwise.
7. A server has no name for its model. What it tells of it decides whether a kept output is reused.
"""

from __future__ import annotations

from .health_action import get_health
from .run import run
from .schema_action import get_schema
from .service import cog, connect

__all__ = ["cog", "connect", "get_health", "get_schema", "run"]
