"""Start the stand-in alone: `python -m engine.simulator`."""

from __future__ import annotations

import argparse

from engine.errors import ConfigError
from engine.simulator import add_arguments, run

if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m engine.simulator", description="A local stand-in of the API.")
    add_arguments(parser)
    try:
        raise SystemExit(run(parser.parse_args()))
    except ConfigError as mistake:
        raise SystemExit(str(mistake)) from None
