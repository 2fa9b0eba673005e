"""``python -m hookline.testing.replicate --port N``: the stand-in as a program."""

from __future__ import annotations

import argparse
import signal
import sys
import threading

from hookline.testing.faults import UnknownFaultError
from hookline.testing.replicate import (
    DEFAULT_TOKEN,
    FAULTS,
    CogUnavailableError,
    ReplicateStandIn,
    substitute,
)
from hookline.testing.replicate.substitutes import BUILT_IN_OUTPUTS

_MODEL_FORMS = "OWNER/NAME=cog, or OWNER/NAME[:VERSION]=" + "|".join(BUILT_IN_OUTPUTS)


def main(arguments: list[str] | None = None) -> int:
    """Serve until interrupted. Returns the exit code: 0 stopped, 1 could not start, 2 wrong usage."""
    options = _parser().parse_args(arguments)
    if options.list_faults:
        for name, text in FAULTS.items():
            print(f"{name:32} {text}")
        return 0
    slugs, models = [], []
    for mapping in options.model:
        reference, _, runner = mapping.partition("=")
        try:
            if runner == "cog" and ":" not in reference:
                slugs.append(substitute(reference, "").slug)
            elif runner in BUILT_IN_OUTPUTS:
                models.append(substitute(reference, runner))
            else:
                raise ValueError(f"write it as {_MODEL_FORMS}")
        except ValueError as error:
            print(f"--model {mapping}: {error}", file=sys.stderr)
            return 2
    try:
        server = ReplicateStandIn(
            options.cog,
            cog_models=slugs or ("hookline/restyle",),
            models=models,
            token=options.token,
            webhook_secret=options.secret,
            host=options.host,
            port=options.port,
            cdn_port=options.cdn_port,
            boot_seconds=options.boot_seconds,
            retention=options.retention,
            allow_http_webhooks=not options.https_webhooks_only,
            enforce_limits=options.enforce_limits,
            tells_limits=not options.lift_limits,
        )
        for fault in options.fault:
            server.faults.set_from_flag(fault)
    except (CogUnavailableError, OSError, UnknownFaultError, ValueError) as error:
        print(f"cannot start: {error}", file=sys.stderr)
        return 1
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    server.start()
    for name, value in server.environment.items():
        print(f"{name}={value}")
    print(f"# outputs: {server.cdn_url}   state: {server.base_url}/_standin/state")
    for slug, model in server.catalog.models.items():
        print(f"# model {slug}:{model.version}{'  (official)' if model.official else ''}")
    sys.stdout.flush()
    stop.wait()
    server.stop()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m hookline.testing.replicate", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 picks a free one")
    parser.add_argument("--host", default="127.0.0.1", help="a loopback address")
    parser.add_argument("--cdn-port", type=int, default=0, help="port of the output CDN; 0 picks a free one")
    parser.add_argument("--cog", metavar="URL", help="run the models of --model on this Cog server")
    parser.add_argument(
        "--model",
        action="append",
        default=[],
        metavar="MODEL",
        help=f"a model of your own workflows: {_MODEL_FORMS}; default: hookline/restyle=cog",
    )
    parser.add_argument("--token", default=DEFAULT_TOKEN, help="the one valid API token")
    parser.add_argument("--secret", metavar="whsec_…", help="webhook secret; default: a fresh one")
    parser.add_argument(
        "--boot-seconds", type=float, default=0.0, help="how long predictions stay `starting`"
    )
    parser.add_argument(
        "--retention", type=float, default=3600.0, help="seconds until a prediction's data is gone"
    )
    parser.add_argument(
        "--https-webhooks-only", action="store_true", help="refuse http webhooks, as Replicate does"
    )
    parser.add_argument(
        "--enforce-limits", action="store_true", help="429 past Replicate's documented limits"
    )
    parser.add_argument("--lift-limits", action="store_true", help="tell of limits that nobody reaches")
    parser.add_argument(
        "--fault", action="append", default=[], metavar="NAME[*TIMES][=VALUE]", help="without *TIMES: always"
    )
    parser.add_argument("--list-faults", action="store_true", help="print every fault's name and stop")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
