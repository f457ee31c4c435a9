"""A local stand-in of the bulk update API: `python -m engine simulate`.

It is a real server, in a process of its own, that validates like the API, keeps the truth of what was applied, and
misbehaves on demand: limits, latency, rejections, and every fault a server can commit. Tests, the demo and the
benchmarks use it. A request passes through the modules in this order:

    server ─► bulk (may it pass? what is in it?) ─► ledger (apply it) ─► replies (what to say) ─► wire (how to say it)
                 limits, faults                                                                   control (for tests)

With `--sink` none of this happens: `sink` counts requests and records as cheaply as it can, so that a benchmark does
not measure the stand-in.
"""

from __future__ import annotations

import argparse

from engine.simulator.model.settings import add_setting_arguments, settings_from
from engine.values import ConfigError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags of `simulate`: where to listen, and one flag for each field of `Settings`."""
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on (default: loopback only)")
    parser.add_argument("--port", type=int, default=0, help="the port to listen on (default 0: any free one)")
    parser.add_argument("--tls-cert", metavar="FILE", help="a certificate (PEM): serve https with it")
    parser.add_argument("--tls-key", metavar="FILE", help="the private key of --tls-cert")
    parser.add_argument("--token-file", metavar="FILE", help="read the token to accept from a file")
    parser.add_argument("--sink", action="store_true", help="only count requests and records; accept everything")
    parser.add_argument("--until-stdin-closes", action="store_true", help="stop when standard input ends")
    add_setting_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Serve until SIGTERM or SIGINT and return exit code 0.

    Prints one JSON line to standard output as soon as it listens: `{"url", "campaign_id", "token", "seed"}`.

    Raises:
        ConfigError: a flag has a value that means nothing, or the address cannot be listened on.
    """
    try:
        settings = settings_from(args)
    except ValueError as mistake:
        raise ConfigError(f"simulate: {mistake}") from None
    from engine.simulator.server import serve

    return serve(settings, args)
