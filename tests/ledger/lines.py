"""Canonical lines of every kind that sources yield, and their fields as they are written."""

from __future__ import annotations

import json

from hypothesis import strategies as st

NAMES = ("", "a", "b", "amount", "status", "days past due", "ключ", "é", 'say "x"', "back\\slash", "tab\t", "n" * 70)

SPACES = st.text(" \t\r", max_size=2)


def written(text: str) -> str:
    """Return text as a JSON string that is escaped only where it must be."""
    return json.dumps(text, ensure_ascii=False)


def an_object(*fields: str) -> str:
    """Return a JSON object of fields as they are written."""
    return "{" + ",".join(fields) + "}"


def strings(max_size: int = 12) -> st.SearchStrategy[str]:
    """Return texts as JSON strings, with more escapes or fewer."""
    text = st.text(st.characters(exclude_categories=["Cs"]), max_size=max_size)
    return st.builds(json.dumps, text, ensure_ascii=st.booleans())


SCALARS = st.one_of(
    strings(),
    st.text("ab é", min_size=200, max_size=300).map(written),  # XXH3 has another form beyond 240 bytes
    st.sampled_from(("null", "true", "false", "0", "-0", "1.50", "-12", "1e999", "12345678901234567890", "1E-7")),
    st.integers(-(10**20), 10**20).map(str),
)


def _lists_or_objects(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    members = st.builds("{}{}:{}{}".format, strings(3), SPACES, SPACES, inner)
    return st.one_of(
        st.builds("[{}{}]".format, SPACES, st.lists(inner, max_size=3).map(",".join)),
        st.builds("{{{}{}}}".format, st.lists(members, max_size=3).map(" , ".join), SPACES),
    )


VALUES = st.recursive(SCALARS, _lists_or_objects, max_leaves=6)


def fields() -> st.SearchStrategy[tuple[str, str]]:
    """Return names and values, both as they are written; names that are likely to come again."""
    names = st.builds(json.dumps, st.sampled_from(NAMES), ensure_ascii=st.booleans())
    return st.tuples(st.one_of(names, strings(5)), VALUES)


IDS = st.one_of(
    st.from_regex(r"L[0-9]{1,4}", fullmatch=True).map(written),
    strings(),
    st.text("ab é", min_size=200, max_size=250).map(written),
)


@st.composite
def canonical_lines(draw: st.DrawFn) -> bytes:
    """Draw a line, rarely one with its members the other way round, or a member named with an escape."""
    gap = draw(st.sampled_from(("", "", " ", "\t ", "\r")))
    data = an_object(*(f"{gap}{name}{gap}:{gap}{value}" for name, value in draw(st.lists(fields(), max_size=8))))
    data = data[:-1] + gap + "}"
    members = [f'"id"{gap}:{gap}{draw(IDS)}', f'{gap}"data":{gap}{data}{gap}']
    kind = draw(st.integers(0, 19))
    if kind == 0:
        members.reverse()
    if kind == 1:
        members[1] = members[1].replace('"data"', '"d\\u0061ta"', 1)
    return (gap + an_object(*members) + gap).encode()
