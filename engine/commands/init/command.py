"""`init SOURCE`: look at a real source and write a commented configuration for it; say what could not be known."""

from __future__ import annotations

import argparse
import re
import sys
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from engine.commands.init.column import API_FIELDS, ColumnSurvey, plain_name, rank_ids
from engine.commands.init.source import Survey, survey
from engine.commands.templates import templates_of, toml_text
from engine.report import counted
from engine.settings import from_tables
from engine.values import ConfigError

if TYPE_CHECKING:
    from jinja2 import Template

PLACEHOLDER = "PUT-YOUR-CAMPAIGN-ID-HERE"

COLUMNS_SHOWN_MAX = 200
"""The most columns the configuration describes one by one."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.add_argument("source", nargs="+", metavar="SOURCE", help="a file, some files, or a pattern in quotes")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="write it there instead of printing it")
    parser.add_argument("--campaign", default=PLACEHOLDER, metavar="ID", help="the campaign to update")


def run(args: argparse.Namespace) -> int:
    """Write the configuration, and to stderr what was unsure.

    Raises:
        ConfigError: the output is there already, or cannot be written.
        SourceMissing: there is no such file, or it holds no record.
        SourceUntrusted: it cannot be read in the form it is in.
    """
    if args.output and args.output.exists():
        raise ConfigError(f"{args.output} is there already; name another file with -o, or move it away first")
    proposal = propose(survey(args.source))
    text = render(proposal, args.campaign)
    from_tables(tomllib.loads(text), origin="the proposed configuration")  # what is written must load
    if args.output:
        _write(args.output, text)
    else:
        print(text, end="")
    _advise(proposal, args)
    return 0


@dataclass(slots=True)
class Proposal:
    """What the configuration will say, and what a person should look at."""

    survey: Survey
    id: ColumnSurvey | None = None
    rename: dict[str, str] = field(default_factory=dict)
    types: dict[str, str] = field(default_factory=dict)
    doubts: list[str] = field(default_factory=list)


def propose(found: Survey) -> Proposal:
    """Decide what to write from what was found."""
    proposal = Proposal(found, doubts=list(found.doubts))
    if found.is_canonical:
        return proposal
    _choose_id(proposal)
    _choose_names(proposal)
    if found.format in ("csv", "tsv"):
        for column in found.columns:
            if column is not proposal.id:
                _choose_type(proposal, column)
    if proposal.types and not found.is_complete:
        proposal.doubts.append("source.types: judged by a part of the source; a value of another type will be invalid")
    return proposal


def _choose_id(proposal: Proposal) -> None:
    candidates = rank_ids(proposal.survey.columns)
    if not candidates:
        raise ConfigError(f"{', '.join(proposal.survey.paths)}: no column could be the id: none holds text or integers")
    best = proposal.id = candidates[0]
    if not best.is_unique:
        problem = "its values repeat (the last record of an id wins)" if best.repeats else "some rows have none"
        proposal.doubts.append(f"source.id: no column is unique; {best.name!r} was taken for its name, but {problem}")
        return
    others = [
        column.name
        for column in candidates[1:]
        if column.is_unique and (column.is_named_like_an_id or not best.is_named_like_an_id)
    ]
    if others:
        proposal.doubts.append(
            f"source.id: {best.name!r} was taken; unique as well: {', '.join(map(repr, others[:5]))}"
        )


def _choose_names(proposal: Proposal) -> None:
    """Propose the API's own names for columns that are called the same but for case and spaces."""
    taken = {column.name for column in proposal.survey.columns}
    for column in proposal.survey.columns:
        plain = plain_name(column.name)
        if plain in API_FIELDS and plain not in taken and column is not proposal.id:
            proposal.rename[column.name] = plain
            taken.add(plain)
    if proposal.rename:
        proposal.doubts.append(
            f"source.rename: {counted(len(proposal.rename), 'column')} renamed to what the API knows; compare them"
        )


def _choose_type(proposal: Proposal, column: ColumnSurvey) -> None:
    if column.type != "string":
        proposal.types[column.name] = column.type
    elif column.looks_numeric and column.names_something:
        proposal.doubts.append(f"source.types: {column.name!r} is all digits, but stays text, as its name suggests")
    if column.has_other_dates:
        proposal.doubts.append(f"{column.name!r} looks like dates; the API wants YYYY-MM-DD, and text is sent as it is")
    if not column.filled:
        proposal.doubts.append(f"{column.name!r} is empty in all rows that were looked at")


def render(proposal: Proposal, campaign_id: str) -> str:
    """Return the configuration as TOML."""
    found = proposal.survey
    sent = [column.name for column in found.columns if column is not proposal.id]
    return _template().render(
        found=found,
        campaign_id=campaign_id,
        id=proposal.id,
        sent=sent[:COLUMNS_SHOWN_MAX],
        rename=proposal.rename,
        types=proposal.types,
        typed=[column for column in found.columns[:COLUMNS_SHOWN_MAX] if column is not proposal.id],
    )


def _template() -> Template:
    return templates_of(__package__, toml_text, toml_list, toml_key).get_template("config.toml.j2")


def toml_list(texts: Sequence[str]) -> str:
    """Return texts as an array of TOML."""
    return f"[{', '.join(map(toml_text, texts))}]"


def toml_key(name: str) -> str:
    """Return a name as a key of TOML."""
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else toml_text(name)


def _write(path: Path, text: str) -> None:
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
    lines = [f"{found.format}: {extent}{identified}."]
    if proposal.doubts:
        lines += ["Please look at:", *(f"  - {doubt}" for doubt in proposal.doubts)]
    lines.append("Next:")
    if args.campaign == PLACEHOLDER:
        lines.append(f"  write the id of your campaign into {config} (api.campaign_id)")
    lines += ["  put the token into TIMEPAY_TOKEN", f"  python -m engine check -c {config}"]
    print("\n".join(lines), file=sys.stderr)
