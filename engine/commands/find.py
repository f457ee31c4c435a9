"""`find`: did loan X arrive? What is known of single ids. Only reads; a run may be under way."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from engine.commands.arguments import add_config_argument, write_result
from engine.commands.found_text import found_text
from engine.settings import load
from engine.values import ConfigError, ExitCode

if TYPE_CHECKING:
    from engine.outlets import ProgressDisplay
    from engine.run import Found


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.add_argument("ids", nargs="*", metavar="ID", help="an id, exactly as the source writes it")
    parser.add_argument("--ids", dest="file", type=Path, metavar="FILE", help="a file of ids, one a line")
    add_config_argument(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON list, an object for each id")
    parser.add_argument(
        "--no-source", action="store_true", help="do not read today's source: quick, but with delta off little is known"
    )


def run(args: argparse.Namespace) -> int:
    """Print what is known of each id; return 0 if that is something, else 66.

    Raises:
        ConfigError: the configuration is wrong, or there is no id to look for.
        StateFailed: the state directory can't be read.
    """
    settings = load(args.config)
    ids = wanted_ids(args.ids, args.file)
    from engine.run import find

    with closing(_display()) as display:
        found = find(settings, ids, reads_source=not args.no_source, display=display)
    is_routed = settings.route.column is not None
    texts = (found_text(each, str(args.config), names_campaign=is_routed) for each in found)
    write_result(as_json(found) if args.json else "\n\n".join(texts))
    return int(ExitCode.OK if all(each.is_known for each in found) else ExitCode.SOURCE_MISSING)


def wanted_ids(given: Sequence[str], file: Path | None) -> list[str]:
    """Return the ids of the command line and those of a file, each once, in their order.

    Raises:
        ConfigError: there are none, or the file can't be read.
    """
    ids = list(dict.fromkeys([*given, *(_ids_in(file) if file is not None else ())]))
    if not ids:
        raise ConfigError("find: name ids, or a file that holds some, one a line (--ids FILE)")
    if "" in ids:
        raise ConfigError("find: an id is not empty")
    if any(not _is_text(each) for each in ids):
        raise ConfigError("find: an id is not valid UTF-8")
    return ids


def _ids_in(file: Path) -> Iterator[str]:
    """Yield the ids in a file; blanks belong to them, but lines of nothing else are none."""
    try:
        text = file.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise ConfigError(f"find: {file} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"find: {file} is not valid UTF-8") from error
    lines: Iterable[str] = (line.removesuffix("\r") for line in text.split("\n"))
    yield from (line for line in lines if line.strip())


def _is_text(record_id: str) -> bool:
    try:
        record_id.encode()
    except UnicodeEncodeError:  # an argument of other bytes
        return False
    return True


def _display() -> ProgressDisplay:
    from engine.outlets import LineProgress, TerminalProgress, get_logger

    return TerminalProgress(sys.stderr) if sys.stderr.isatty() else LineProgress(get_logger().info)


def as_json(found: Sequence[Found]) -> str:
    """Return what was found as a JSON list; where several campaigns know an id, its object has one for each of them."""
    values = [_facts(each) | {"campaigns": [_facts(one) for one in each.campaigns]} for each in found]
    return orjson.dumps(values, option=orjson.OPT_INDENT_2).decode()


def _facts(found: Found) -> dict[str, Any]:
    """Return what is known in one campaign."""
    facts = {"id": found.id, "known": found.is_known, **asdict(replace(found, campaigns=[]))}
    del facts["campaigns"]
    return facts
