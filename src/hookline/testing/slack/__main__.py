"""``python -m hookline.testing.slack --port N``: the inbox as a program."""

from __future__ import annotations

import argparse
import signal
import sys
import threading

from hookline.testing.faults import UnknownFaultError
from hookline.testing.slack import (
    DEFAULT_CHANNELS,
    DEFAULT_SIGNING_SECRET,
    DEFAULT_TOKEN,
    FAULTS,
    SlackStandIn,
)


def main(arguments: list[str] | None = None) -> int:
    """Serve until interrupted. Returns the exit code: 0 stopped, 1 could not start."""
    options = _parser().parse_args(arguments)
    if options.list_faults:
        for name, text in FAULTS.items():
            print(f"{name:16} {text}")
        return 0
    try:
        server = SlackStandIn(
            token=options.token,
            signing_secret=options.signing_secret,
            channels=tuple(options.channel) or DEFAULT_CHANNELS,
            host=options.host,
            port=options.port,
        )
        for fault in options.fault:
            server.faults.set_from_flag(fault)
    except (OSError, UnknownFaultError, ValueError) as error:
        print(f"cannot start: {error}", file=sys.stderr)
        return 1
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    server.start()
    print(f"SLACK_BASE_URL={server.api_url}")
    print(f"SLACK_BOT_TOKEN={server.token}")
    print(f"SLACK_SIGNING_SECRET={server.signing_secret}")
    print(f"# inbox: {server.base_url}/   incoming webhook: {server.webhook_url}", flush=True)
    stop.wait()
    server.stop()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m hookline.testing.slack", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 picks a free one")
    parser.add_argument("--host", default="127.0.0.1", help="a loopback address")
    parser.add_argument("--token", default=DEFAULT_TOKEN, help="the one valid bot token")
    parser.add_argument("--signing-secret", default=DEFAULT_SIGNING_SECRET, help="signs what is sent to apps")
    parser.add_argument(
        "--channel",
        action="append",
        default=[],
        metavar="NAME",
        help=f"a channel that exists; default: {', '.join(DEFAULT_CHANNELS)}",
    )
    parser.add_argument(
        "--fault", action="append", default=[], metavar="NAME[*TIMES][=VALUE]", help="without *TIMES: always"
    )
    parser.add_argument("--list-faults", action="store_true", help="print every fault's name and stop")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
