"""What `init` proposes for what it found, and what a person should look at before the first night."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from engine.commands.init.column import API_FIELDS, ID_NAMES, ColumnSurvey, plain_name, rank_ids
from engine.commands.init.guesses import Guess
from engine.commands.init.source import Survey
from engine.report import counted
from engine.sources import ColumnShape
from engine.values import ConfigError

LIKE_SHARE = 0.5
"""If so many values look like dates or amounts, but not all in one form, a person must look."""

PANDAS_INDEX = "__index_level_"
"""How pandas calls the columns that it makes of an index."""

TYPE_WORDS = {"integer": "whole numbers", "number": "numbers", "date": "dates", "boolean": "yes or no"}


@dataclass(slots=True)
class Proposal:
    """What the configuration will say, and what a person should look at."""

    survey: Survey
    id: ColumnSurvey | None = None
    lists_fields: bool = False
    """Whether the columns to send are listed, because there are others without a name."""
    exclude: list[str] = field(default_factory=list)
    rename: dict[str, str] = field(default_factory=dict)
    types: dict[str, str] = field(default_factory=dict)
    columns: dict[str, dict[str, Any]] = field(default_factory=dict)
    """The tables of columns that need more than a name and a type."""
    null_values: list[str] = field(default_factory=list)
    with_gaps: list[ColumnSurvey] = field(default_factory=list)
    """The columns that are sent and have nothing in some rows."""
    doubts: list[str] = field(default_factory=list)


def propose(found: Survey) -> Proposal:
    """Decide what to write from what was found.

    Raises:
        ConfigError: no column could be the id.
    """
    proposal = Proposal(found, doubts=list(found.doubts))
    if found.is_canonical:
        return proposal
    _leave_out_unnamed(proposal)
    _choose_id(proposal)
    _leave_out(proposal)
    _doubt_quotes(proposal)
    _choose_nulls(proposal)
    for column in found.columns:
        if column.name not in proposal.exclude:
            _choose_shape(proposal, column)
    if len(found.columns) == 1:
        proposal.doubts.append("source.constants: there is no column but the id; name the fields that its records get")
    _choose_names(proposal)
    _doubt_gaps(proposal)
    if (proposal.types or proposal.columns) and not found.is_complete:
        proposal.doubts.append("source.types: judged by a part of the source; a value of another type will be invalid")
    return proposal


def _choose_id(proposal: Proposal) -> None:
    columns = proposal.survey.columns
    candidates = rank_ids(columns)
    if not candidates:
        raise ConfigError(f"{', '.join(proposal.survey.paths)}: no column could be the id: none holds text or integers")
    best = proposal.id = candidates[0]
    doubts = _doubts_of_id(best, candidates[1:])
    doubts += [
        f"{column.name!r} is named like an id, but {column.refused}, which no id can be; {best.name!r} was taken"
        for column in columns
        if column.refused and plain_name(column.name) in ID_NAMES
    ]
    proposal.doubts += [f"source.id: {doubt}" for doubt in doubts]


def _doubts_of_id(best: ColumnSurvey, others: Sequence[ColumnSurvey]) -> list[str]:
    name = repr(best.name)
    unique = [column for column in others if column.is_unique]
    repeating = [column.name for column in others if column.is_named_like_an_id and column.mostly_repeats]
    rivals = [column for column in unique if column.is_named_like_an_id or not best.is_named_like_an_id]
    doubts = []
    if not best.is_unique:
        problem = "its values repeat (the last record of an id wins)" if best.repeated else "some rows have none"
        if best.mostly_repeats:
            problem = "most of its values repeat, which stops a sync (guard.max_superseded)"
        nothing = "" if unique else "no column is unique; "
        reason = "for its name" if best.is_named_like_an_id else "for want of a better one"
        doubts.append(f"{nothing}{name} was taken {reason}, but {problem}")
    elif repeating and not best.is_named_like_an_id:
        doubts.append(
            f"{repeating[0]!r} is named like an id, but most of its values repeat, which stops a sync "
            f"(guard.max_superseded); {name} was taken because it is unique: is it the loan's id?"
        )
    elif best.counts_rows:
        doubts.append(f"{name} was taken because it is unique, but it seems to count rows: is there no id of the loan?")
    elif not best.is_named_like_an_id:
        doubts.append(f"no column is named like an id; {name} was taken because it is unique: is it the loan's id?")
    if best.no_ids:
        are = "is" if best.no_ids == 1 else "are"
        odd = counted(best.no_ids, "value")
        doubts.append(f"{odd} of {name} {are} neither text nor integers: the record will be invalid")
    if rivals:
        doubts.append(f"{name} was taken; unique as well: {', '.join(repr(column.name) for column in rivals[:5])}")
    meaning, guess = best.meaning, best.meaning.best()
    if meaning.rounded:
        doubts.append(f"{name} has values like 1.23457E+12: a spreadsheet has rounded them, they name no loan any more")
    elif guess and guess.shape.type in ("date", "number", "boolean"):
        doubts.append(f"the values of {name} look like {TYPE_WORDS[str(guess.shape.type)]}, not like ids")
    return doubts


def _leave_out_unnamed(proposal: Proposal) -> None:
    """Take the columns without a name out of sight: nobody can say what is to become of them."""
    found = proposal.survey
    unnamed = [column for column in found.columns if not column.name.strip()]
    found.columns = [column for column in found.columns if column.name.strip()]
    if any(column.filled for column in unnamed):
        proposal.lists_fields = True
        without = counted(len(unnamed), "column")
        proposal.doubts.append(f"source.fields: {without} without a name will not be sent; name what should be")


def _leave_out(proposal: Proposal) -> None:
    """Leave out what nobody means to send: an index of pandas, and values that have no JSON form."""
    for column in proposal.survey.columns:
        if column is proposal.id:
            continue
        if column.name.startswith(PANDAS_INDEX):
            proposal.exclude.append(column.name)
            proposal.doubts.append(f"source.exclude: {column.name!r} is the index of a pandas table; it is left out")
        elif column.has_no_json:
            proposal.exclude.append(column.name)
            proposal.doubts.append(f"source.exclude: {column.name!r} {column.refused}, which has no JSON form")


def _doubt_quotes(proposal: Proposal) -> None:
    """Ask about values in quotes where those are taken for text."""
    found = [column for column in proposal.survey.columns if column.quoted]
    if found and proposal.survey.format == "tsv" and proposal.survey.quote is None:
        names = ", ".join(repr(column.name) for column in found[:3]) + " and more" * (len(found) > 3)
        proposal.doubts.append(
            f"source.quote: values in quotes in {names} will be sent with them, as TSV has none; if they are no part "
            "of the text, set quote = '\"'"
        )


def _choose_nulls(proposal: Proposal) -> None:
    """Propose the words that stand for nothing, wherever they were found."""
    found = [column for column in proposal.survey.columns if column.null_words]
    words = sorted({word for column in found for word in column.null_words})
    if words:
        proposal.null_values = words
        where = ", ".join(repr(column.name) for column in found[:5])
        listed = ", ".join(words)
        proposal.doubts.append(f"source.null_values: {listed} in {where} will mean null; is one of them a value?")


def _choose_shape(proposal: Proposal, column: ColumnSurvey) -> None:
    """Propose what the values of a column become, if its text cannot just be sent."""
    shape: dict[str, Any] = {}
    if column.padded and (column is proposal.id or column.guess is None or column.must_be_trimmed):
        shape["trim"] = True
        proposal.doubts.append(f"{column.name!r} has white space around some values; it will be trimmed")
    if column.text_marks:
        shape["strip"] = "".join(sorted(column.text_marks))
        marks = 'the marks by which a spreadsheet knows text (="…", \'…)'
        proposal.doubts.append(f"{column.name!r} has {marks}; they will be left out")
    if column.is_bytes:
        shape["type"] = "string"
        proposal.doubts.append(f"{column.name!r} holds bytes without a type; they will be read as UTF-8 text")
    elif column is not proposal.id and proposal.survey.is_text:
        shape |= _shape_of_text(proposal, column)
    if shape.keys() == {"type"} and not column.is_bytes:
        proposal.types[column.name] = shape["type"]
    elif shape:
        proposal.columns[column.name] = shape


def _shape_of_text(proposal: Proposal, column: ColumnSurvey) -> dict[str, Any]:
    guess, name = _guess_beside_others(proposal, column), repr(column.name)
    if not column.filled:
        proposal.doubts.append(f"{name} is empty in all rows that were looked at")
    if guess is None:
        proposal.doubts += _doubts_of_text(column)
        return {}
    shape = {key: value for key in SHAPE_KEYS if (value := getattr(guess.shape, key)) != getattr(ColumnShape(), key)}
    if guess.shape.type == "integer" and column.meaning.signs:
        shape["type"] = "number"
    if guess.shape.type in ("integer", "number") and column.meaning.strip:
        shape["strip"] = column.meaning.strip
    marks = [word for word in column.nulls if word not in proposal.null_values]
    if marks:
        shape["null_values"] = marks
    proposal.doubts += _doubts_of_guess(column, guess)
    return shape


def _guess_beside_others(proposal: Proposal, column: ColumnSurvey) -> Guess | None:
    """Return what the column means; where others have decimal commas beyond doubt, its dots only group digits."""
    guess = column.guess
    if guess is None or guess.shape.type != "number":
        return guess
    commas = [other for other in column.meaning.as_good_as(guess) if other.shape.decimal == ","]
    has_commas = commas and any(
        (sure := other.guess) and sure.shape.decimal == "," and not other.meaning.as_good_as(sure)
        for other in proposal.survey.columns
    )
    return commas[0] if has_commas else guess


SHAPE_KEYS = ("type", "decimal", "thousands", "date_format", "true", "false")
"""What a form says of a column."""


def _doubts_of_guess(column: ColumnSurvey, guess: Guess) -> list[str]:
    name, doubts = repr(column.name), []
    words = TYPE_WORDS[str(guess.shape.type)]
    if guess.odd:
        rows = f"row{'s' if len(guess.odd_rows) > 1 else ''} {', '.join(map(str, guess.odd_rows))}"
        such_as = "such as " if guess.odd > len(guess.odd_rows) else ""
        odd = counted(guess.odd, "value")
        doubts.append(f"{name} holds {words} but for {odd} ({such_as}{rows}): the record will be invalid")
    others = column.meaning.as_good_as(guess)
    if others and guess.shape.type == "date":
        doubts.append(f"{name} may have day or month first; {guess.shape.date_format} was taken: compare a few dates")
    elif others:
        mark = "a decimal comma" if guess.shape.decimal == "." else "a decimal dot"
        doubts.append(f"{name} may have {mark} as well; compare a few values with `check`")
    elif guess.shape.date_format or guess.shape.thousands or guess.shape.decimal != ".":
        doubts.append(f"{name} is read as {words} in the form of source.columns; compare a few values with `check`")
    return doubts


def _doubts_of_text(column: ColumnSurvey) -> list[str]:
    meaning, name = column.meaning, repr(column.name)
    if not meaning.filled:
        return []
    if meaning.rounded:
        return [f"{name} has values like 1.23457E+12: a spreadsheet has rounded them; export them as text"]
    if column.meaning.best() is not None:
        return [f"source.types: {name} is all digits, but stays text, as its name suggests"]
    if meaning.are_moments:
        return [f"{name} holds dates with a time of day; text is sent as it is, the API wants YYYY-MM-DD"]
    if meaning.date_like >= LIKE_SHARE * meaning.filled:
        return [f"{name} looks like dates, but not all in one form; text is sent as it is, the API wants YYYY-MM-DD"]
    if meaning.amount_like >= LIKE_SHARE * meaning.filled and not column.names_something:
        return [f"{name} looks like numbers, but not all in one form; text is sent as it is"]
    return []


def _choose_names(proposal: Proposal) -> None:
    """Propose the API's own names for columns that are called the same but for case and spaces."""
    taken = {column.name for column in proposal.survey.columns}
    renamed = 0
    for column in proposal.survey.columns:
        plain = plain_name(column.name)
        if plain not in API_FIELDS or plain in taken or column is proposal.id or column.name in proposal.exclude:
            continue
        taken.add(plain)
        renamed += 1
        if column.name in proposal.columns:
            proposal.columns[column.name] = {"field": plain, **proposal.columns[column.name]}
        else:
            proposal.rename[column.name] = plain
    if renamed:
        proposal.doubts.append(
            f"source.rename: {counted(renamed, 'column')} renamed to what the API knows; compare them"
        )


def _doubt_gaps(proposal: Proposal) -> None:
    """Ask what an empty cell means: this cannot be seen in an export."""
    sent = [c for c in proposal.survey.columns if c is not proposal.id and c.name not in proposal.exclude]
    gaps = proposal.with_gaps = [c for c in sent if c.filled and (c.filled < c.rows or c.nulls)]
    if gaps:
        names = ", ".join(repr(column.name) for column in gaps[:3])
        more = f" and {counted(len(gaps) - 3, 'more column')}" if len(gaps) > 3 else ""
        have = "have" if len(gaps) > 1 else "has"
        proposal.doubts.append(
            f'source.nulls: {names}{more} {have} empty cells; with "omit" the API keeps what it had (a cleared '
            'promise stays), with "send" it is cleared'
        )
