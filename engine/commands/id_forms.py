"""Ids that look unlike all others: a footer, a title or a shifted row that passed for a record. For `check`."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from engine.report import counted
from engine.values import Span, place_of

JUDGED_FROM = 20
"""Among fewer records nothing is unusual."""

RARE_SHARE = 0.001
RARE_MAX = 3
"""A form of ids is rare if at most so many records have it, or so large a share of all."""

FORMS_MAX = 8
"""If ids come in more forms than that, they have none."""

_DIGITS = re.compile(r"\d+")
_LETTERS = re.compile(r"[^\W\d_]+")


def form_of(id_: str) -> str:
    """Return what an id looks like: `LN00123` and `XY7` are `A0`, whatever their lengths."""
    return _DIGITS.sub("0", _LETTERS.sub("A", id_))


class IdForms:
    """Counts the forms of all ids, and remembers where each form was met first. Holds no id."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._first: dict[str, str] = {}

    def add(self, ids: Sequence[str], spans: Sequence[Span]) -> None:
        """Look at the ids of some records that stand at `spans`."""
        forms = [form_of(id_) for id_ in ids]
        if len(self._counts) > FORMS_MAX:
            return
        for form, count in Counter(forms).items():
            self._counts[form] += count
            if form not in self._first:
                place = place_of(spans, forms.index(form))
                self._first[form] = f"{place.path} row {place.row}"

    def doubt(self) -> str | None:
        """Return a sentence about ids that look unlike all others, or None if there are none."""
        total = sum(self._counts.values())
        if total < JUDGED_FROM or len(self._counts) > FORMS_MAX:
            return None
        rare = [form for form, count in self._counts.items() if count <= max(RARE_MAX, RARE_SHARE * total)]
        if not rare or len(rare) == len(self._counts):
            return None
        odd = sum(self._counts[form] for form in rare)
        where = ", ".join(self._first[form] for form in rare[:3])
        return f"{counted(odd, 'id')} unlike all others ({where}): are these records?"
