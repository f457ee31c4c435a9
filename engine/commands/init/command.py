"""`init SOURCE`: look at a real source and write a commented configuration for it; say what could not be known."""

from __future__ import annotations

import argparse
import re
import shlex
import sys
import tomllib
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from engine.commands.init.database import survey_database
from engine.commands.init.proposal import Proposal, propose
from engine.commands.init.source import Survey, survey
from engine.commands.templates import templates_of, toml_text
from engine.report import counted
from engine.settings import from_tables
from engine.sources import DatabaseQuery, StoreAccess, check_url, is_database
from engine.values import ConfigError, program

if TYPE_CHECKING:
    from jinja2 import Template

EXAMPLE = "config.example.toml"
PLACEHOLDER = "PUT-YOUR-CAMPAIGN-ID-HERE"

COLUMNS_SHOWN_MAX = 200
"""The most columns the configuration describes one by one."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.add_argument(
        "source",
        nargs="*",
        metavar="SOURCE",
        help="a file, some files, or a pattern in quotes; an address such as s3://bucket/key; or the url of a database",
    )
    parser.add_argument("--example", action="store_true", help="write the example that documents every key instead")
    parser.add_argument("--table", metavar="NAME", help="the table of the database to read")
    parser.add_argument("--query", metavar="SQL", help="the query to ask the database")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="write it there instead of printing it")
    parser.add_argument(
        "--endpoint", metavar="URL", help="the address of the store's service, if it is not the usual one"
    )
    parser.add_argument("--region", metavar="NAME", help="the region of the store's bucket")
    parser.add_argument("--campaign", default=PLACEHOLDER, metavar="ID", help="the campaign to update")


def run(args: argparse.Namespace) -> int:
    """Write the configuration, and to stderr what was unsure.

    Raises:
        ConfigError: the output is there already, or cannot be written; or the files are of different formats, or there
            is none named.
        SourceMissing: there is no such file, or it holds no record.
        SourceUntrusted: it cannot be read in the form it is in.
    """
    if args.output and args.output.exists():
        raise ConfigError(f"{args.output} is there already; name another file with -o, or move it away first")
    if args.example == bool(args.source):
        raise ConfigError("init takes a SOURCE to look at, or --example for the example, which is of no source")
    if args.example:
        _put_out((files(__package__) / "templates" / EXAMPLE).read_text(encoding="utf-8"), args.output)
        return 0
    proposal = propose(_survey(args))
    text = render(proposal, args.campaign)
    from_tables(tomllib.loads(text), origin="the proposed configuration")  # what is written must load
    _put_out(text, args.output)
    _advise(proposal, args)
    return 0


def _survey(args: argparse.Namespace) -> Survey:
    [first, *others] = args.source
    if not is_database(first):
        if args.table or args.query:
            raise ConfigError("--table and --query are for the url of a database, such as postgresql://user@host/bank")
        return survey(args.source, StoreAccess(args.endpoint, args.region))
    if others or bool(args.table) == bool(args.query):
        raise ConfigError("of a database, one url is looked at, and one table (--table) or one query (--query)")
    try:
        return survey_database(DatabaseQuery(check_url(first), args.table, args.query, without_snapshot=True))
    except ValueError as error:
        raise ConfigError(f"the url {error}") from None


def render(proposal: Proposal, campaign_id: str) -> str:
    """Return the configuration as TOML."""
    found = proposal.survey
    others = [column for column in found.columns if column is not proposal.id]
    return _template().render(
        found=found,
        campaign_id=campaign_id,
        id=proposal.id,
        sent=[column.name for column in others][:COLUMNS_SHOWN_MAX],
        proposal=proposal,
        typed=[c for c in others if c.name not in proposal.columns and c.name not in proposal.exclude][
            :COLUMNS_SHOWN_MAX
        ],
        with_gaps=[column.name for column in proposal.with_gaps],
    )


def _template() -> Template:
    return templates_of(__package__, toml_text, toml_list, toml_key, toml_value).get_template("config.toml.j2")


def toml_value(value: object) -> str:
    """Return text, a boolean, a number, texts, or a table of such values as TOML."""
    if isinstance(value, str):
        return toml_text(value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (list, tuple)):
        return toml_list(value)
    return str(value)


def toml_list(texts: Sequence[str]) -> str:
    """Return texts as an array of TOML."""
    return f"[{', '.join(map(toml_text, texts))}]"


def toml_key(name: str) -> str:
    """Return a name as a key of TOML."""
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else toml_text(name)


def _put_out(text: str, path: Path | None) -> None:
    if path is None:
        print(text, end="")
        return
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}") from None


def _advise(proposal: Proposal, args: argparse.Namespace) -> None:
    """Say what was decided, what was unsure, and what to type next."""
    found = proposal.survey
    config = args.output or "config.toml"
    identified = f", id {proposal.id.name!r}" if proposal.id else ' of {"id", "data"}'
    extent = f"{counted(len(found.columns), 'column')}, {counted(found.rows, 'record')} looked at"
    what = found.format if found.asked is None else found.asked.kind
    lines = [f"{what}: {extent}{identified}."]
    if proposal.doubts:
        lines += ["Please look at:", *(f"  - {doubt}" for doubt in proposal.doubts)]
    lines.append("Next:")
    if args.campaign == PLACEHOLDER:
        lines.append(f"  write the id of your campaign into {config} (api.campaign_id)")
    lines += ["  put the token into TIMEPAY_TOKEN", f"  {program()} check -c {shlex.quote(str(config))}"]
    print("\n".join(lines), file=sys.stderr)
