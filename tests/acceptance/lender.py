"""A lender at random: a portfolio that changes every night, and exports of it with everything that exports have."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Literal, get_args

from tests.acceptance.portfolios import Portfolio

Form = Literal["ndjson", "csv"]
FORMS: tuple[Form, ...] = get_args(Form)

ABSENT = object()
KINDS: dict[Form, list[Any]] = {
    "ndjson": [ABSENT, None, "", "null", 0, 1, "1", 1.0, True, "true", False, [1], {"a": 1}, "a", "ä"],
    "csv": [ABSENT, "null", "0", "1", "1.0", "true", " 1", 'a,"b"', "a\nb", "ä", "0001"],
}
"""Values that are easily taken for one another; in CSV an empty cell is an absent one."""


@dataclass(frozen=True)
class Row:
    """A row of an export; without an id nobody can say whose it is, without data it is invalid."""

    id: str | None
    data: dict[str, Any] | None


@dataclass(frozen=True)
class Export:
    """What is in the file."""

    rows: list[Row]

    @property
    def latest(self) -> Portfolio:
        """The last valid values of each id."""
        return {row.id: row.data for row in self.rows if row.id and row.data}

    @property
    def present(self) -> set[str]:
        """The ids that stand in it, also beside invalid data."""
        return {row.id for row in self.rows if row.id}

    @property
    def unreadable(self) -> bool:
        """Whether some row's id cannot be read."""
        return any(row.id is None for row in self.rows)

    @property
    def repeated(self) -> set[str]:
        """The ids that stand in it more than once."""
        return {id_ for id_, count in Counter(row.id for row in self.rows).items() if id_ and count > 1}

    @property
    def merged(self) -> set[str]:
        """The ids of which an earlier row has fields that the last one lacks: sent together or apart, in turn."""
        latest = self.latest
        return {row.id for row in self.rows if row.id and row.data and not row.data.keys() <= latest[row.id].keys()}

    @property
    def invalid(self) -> set[str]:
        """The ids that stand beside invalid data."""
        return {row.id for row in self.rows if row.id and row.data is None}


class Lender:
    """The portfolio of a campaign; its fields begin with its name, because the stand-in keeps one state for all."""

    def __init__(self, dice: Random, campaign: str, form: Form, size: int) -> None:
        self.campaign, self.form = campaign, form
        self._mapping: dict[str, Any] = {}
        self._dice = dice
        self._loans: Portfolio = {f"loan_{number:05d}": self._data() for number in range(size)}
        self._acknowledged: Portfolio = {}
        self._left: Portfolio = {}

    @property
    def status(self) -> str:
        """The name of the field that constants for gone loans set."""
        return f"{self.campaign}_status"

    @property
    def source(self) -> dict[str, Any]:
        """The table `[source]` that reads the exports."""
        path = f"{self.campaign}.{self.form}"
        if self.form == "ndjson":
            return {"path": path, "holds": "portfolio"}
        typed = {"types": {self._name("amount"): "integer"}}
        return {"path": path, "holds": "portfolio", "id": "loan_id"} | typed | self._mapping

    def some(self, count: int) -> list[str]:
        """Return at most so many ids of the portfolio."""
        return self._dice.sample(sorted(self._loans), min(count, len(self._loans)))

    def remember(self) -> None:
        """Keep in mind that the portfolio was acknowledged as it is."""
        self._acknowledged = dict(self._loans)

    def live_a_day(self, *, back: bool) -> None:
        """Change values, let loans leave and return, and take new ones in; or go `back` to what was acknowledged."""
        dice, acknowledged = self._dice, self._acknowledged
        for id_ in self.some(dice.choice([0, 0, 1, 5, len(self._loans) // 3])):
            self._loans[id_] = acknowledged.get(id_, self._data()) if dice.random() < 0.3 else self._data()
        if back:
            self._loans |= {id_: acknowledged[id_] for id_ in self._loans.keys() & acknowledged.keys()}
        for id_ in self.some(dice.choice([0, 0, 1, 5, len(self._loans) // 10])):
            self._left[id_] = self._loans.pop(id_)
        for id_ in dice.sample(sorted(self._left), min(len(self._left), dice.choice([0, 1, 9]))):
            values = self._left.pop(id_)
            self._loans[id_] = values if dice.random() < 0.7 else self._data()
        for _ in range(dice.choice([0, 0, 1, 7])):
            self._loans[f"loan_{dice.getrandbits(40):x}"] = self._data()

    def export(self) -> Export:
        """Return tonight's export: in any order, some ids twice, some rows bad."""
        dice = self._dice
        rows = [Row(id_, self._mapped(data)) for id_, data in self._loans.items()]
        dice.shuffle(rows)
        if dice.random() < 0.4:
            for row in dice.sample(rows, min(len(rows), dice.choice([1, 4, 20]))):
                older = self._mapped(self._data())
                rows.insert(dice.randrange(rows.index(row) + 1), Row(row.id, older))
        if dice.random() < 0.2:
            row = dice.choice([row for row in rows if sum(one.id == row.id for one in rows) == 1])
            rows[rows.index(row)] = Row(row.id, None)
        if dice.random() < 0.15:
            rows.insert(dice.randrange(len(rows) + 1), Row(None, self._data()))
        return Export(rows)

    def flawless_export(self) -> Export:
        """Return an export in which each loan stands once."""
        return Export([Row(id_, self._mapped(data)) for id_, data in self._loans.items()])

    def change_mapping(self) -> bool:
        """Let the mapping of CSV be another one from now on; return whether it is."""
        mappings: list[dict[str, Any]] = [{}, {"constants": {self._name("lang"): "hi"}}, {"nulls": "send"}]
        before, self._mapping = self._mapping, self._dice.choice(mappings) if self.form == "csv" else {}
        return self._mapping != before

    def part(self, count: int) -> Export:
        """Return an export of changes: other values of some loans, and one that no portfolio ever holds."""
        ids = [*self.some(count), f"other_{self._dice.getrandbits(40):x}"]
        return Export([Row(id_, self._mapped(self._data())) for id_ in ids])

    def write(self, path: Path, export: Export) -> None:
        """Write the export in the lender's form."""
        if self.form == "csv":
            self._write_csv(path, export)
        else:
            path.write_text("".join(map(_ndjson_line, export.rows)), encoding="utf-8")

    def _write_csv(self, path: Path, export: Export) -> None:
        names = [self._name(field) for field in ("status", "amount", "kind")]
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, ["loan_id", *names], extrasaction="ignore")
            writer.writeheader()
            for row in export.rows:
                data = {self._name("amount"): "many"} if row.data is None else row.data
                writer.writerow({"loan_id": row.id or ""} | data)

    def _name(self, field: str) -> str:
        return f"{self.campaign}_{field}"

    def _data(self) -> dict[str, Any]:
        dice = self._dice
        fields = {
            "status": dice.choice(["paid", "due"]),
            "amount": dice.randrange(3),
            "kind": dice.choice(KINDS[self.form]),
        }
        return dict(self._named(fields))

    def _named(self, fields: dict[str, Any]) -> Iterator[tuple[str, Any]]:
        for name, value in fields.items():
            if value is not ABSENT:
                yield self._name(name), value

    def _mapped(self, data: dict[str, Any]) -> dict[str, Any]:
        """Return what the mapping makes of a row."""
        nulls: dict[str, Any] = {self._name("kind"): None} if self._mapping.get("nulls") == "send" else {}
        constants: dict[str, Any] = self._mapping.get("constants", {})
        return nulls | data | constants


def _ndjson_line(row: Row) -> str:
    record = {"id": row.id, "data": [] if row.data is None else row.data}
    if row.id is None:
        del record["id"]
    return json.dumps(record, ensure_ascii=False, separators=(",", ":")) + "\n"
