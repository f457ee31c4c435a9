"""Arguments that several commands share, and the one way in which results leave."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

DEFAULT_CONFIG = "config.toml"


def add_config_argument(parser: argparse.ArgumentParser, default: Path | str = Path(DEFAULT_CONFIG)) -> None:
    """Declare `-c`, which is the same for every command that reads the configuration."""
    parser.add_argument(
        "-c",
        "--config",
        type=Path,
        default=default,
        metavar="FILE",
        help=f"the configuration ({DEFAULT_CONFIG})",
    )


def count(text: str) -> int:
    """Read a whole number from 1 on, as an argument's `type`."""
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError("must be a whole number from 1 on")
    return int(text)


def write_result(text: str) -> None:
    """Write `text` to stdout. A run is not undone by a full disk or a closed pipe there, so it keeps its exit code."""
    try:
        sys.stdout.write(text if text.endswith("\n") else text + "\n")
        sys.stdout.flush()
    except OSError as error:
        from engine.outlets import get_logger

        get_logger().warning("result_not_written", message=f"stdout cannot be written: {error.strerror}")
