"""The HTTP server in the engine's own process."""

from __future__ import annotations

import threading

import waitress
import waitress.server

from hookline.engine.engine import Engine

from .access import Access
from .app import create_app

__all__ = ["Server", "serve"]


class Server:
    """A server that answers until `close`."""

    def __init__(self, server: waitress.server.BaseWSGIServer) -> None:
        self._server = server
        self.port: int = int(server.effective_port)
        self._thread = threading.Thread(target=server.run, name="hookline-http", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop listening and answering."""
        self._server.close()
        self._thread.join(5)


def serve(engine: Engine, access: Access, host: str, port: int, threads: int) -> Server:
    """Answer requests on a thread of this process.

    Args:
        port: 0 for any free one; the server's `port` says which.
        threads: Requests answered at the same time.
    """
    app = create_app(engine, access)
    return Server(waitress.server.create_server(app, host=host, port=port, threads=threads))
