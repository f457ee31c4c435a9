"""Makes up a plausible portfolio of an Indian debt-collection campaign: for the demo.

Nobody in it exists. It has what makes real exports hard: names in five scripts, names with quotes and commas, ids that
begin with zeros, phone numbers with a plus, empty cells. The same seed always makes the same portfolio.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import date
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

BLOCK_RECORDS = 100_000
"""How many records are made and written at a time: memory does not grow with the portfolio."""

ID_COLUMN = "loan_id"

CSV_TYPES = {
    "loan_amount": "integer",
    "emi_amount": "number",
    "loan_period": "integer",
    "current_emi": "integer",
    "emi_due_date": "date",
    "lead_date": "date",
}
"""The columns that are not text, as `[source] types` says it."""

PEOPLE: dict[str, tuple[list[str], list[str]]] = {
    "english": (
        ["Asha", "Rahul", "Mary Ann", "D’Arcy", "Imran", "Lakshmi", "Gurpreet", "Zoë"],
        ["Fernandes", "O'Brien", "Nair, Jr.", 'Singh "Sunny"', "Iyer", "Das", "Khan", "Patel"],
    ),
    "hindi": (
        ["आशा", "राहुल", "लक्ष्मी", "विक्रम", "सीता", "अर्जुन", "प्रिया", "मोहन"],
        ["शर्मा", "वर्मा", "गुप्ता", "यादव", "मिश्रा", "सिंह", "जोशी", "कुमार"],
    ),
    "tamil": (
        ["கவிதா", "முருகன்", "செல்வி", "அருண்", "மீனா", "குமார்", "தமிழ்", "வேலு"],
        ["சுப்பிரமணியன்", "ராஜன்", "பாண்டியன்", "நடராஜன்", "கிருஷ்ணன்", "ராமன்", "மணி", "செல்வம்"],
    ),
    "bengali": (
        ["অনিতা", "সুমন", "রবীন্দ্র", "মিতালী", "দেবাশিস", "পূজা", "অরুণ", "শ্যামল"],
        ["চট্টোপাধ্যায়", "মুখার্জী", "ব্যানার্জী", "ঘোষ", "বসু", "দাস", "সেন", "রায়"],
    ),
    "urdu": (
        ["عائشہ", "فاطمہ", "عمران", "یوسف", "زینب", "سلمان", "نور", "کبیر"],
        ["خان", "احمد", "صدیقی", "انصاری", "قریشی", "شیخ", "بیگ", "حسین"],
    ),
}
"""First and last names by language, equally many of each."""

NAMES_PER_LANGUAGE = 8
STATUSES = ["pending", "paid", "partial", "overdue", "promised", "disputed"]
BRANCHES = ["MUM", "DEL", "CHE", "KOL", "HYD"]
LOAN_PERIODS_MONTHS = [6, 12, 18, 24, 36, 48, 60]
CHANGED_EVERY = 50
"""In the second night, one in so many records has changed (2 %)."""

GONE = 5
"""About so many records are gone in the second night."""

GONE_MEANS = {"payment_status": "closed"}
"""What is sent to them, as `[delta] gone` says it."""

FIRST_DUE_DATE = date(2026, 11, 1)
FIRST_LEAD_DATE = date(2023, 1, 1)


def generate(records: int, seed: int) -> Iterator[pa.Table]:
    """Yield the portfolio in tables of at most `BLOCK_RECORDS` rows, one typed column a field."""
    rng = random.Random(seed)  # noqa: S311 - made-up people need no secrecy
    for first in range(0, records, BLOCK_RECORDS):
        yield _block(first, min(BLOCK_RECORDS, records - first), rng)


def _block(first: int, count: int, rng: random.Random) -> pa.Table:
    """Return the rows from number `first` on."""
    draw, sometimes_empty = partial(_draw, rng, count), partial(_sometimes_empty, rng)
    row = pa.array(range(first, first + count))
    language = draw(len(PEOPLE))
    first_names, last_names = ([name for names in PEOPLE.values() for name in names[which]] for which in (0, 1))
    period = _pick(LOAN_PERIODS_MONTHS, draw(len(LOAN_PERIODS_MONTHS)))
    amount = pc.multiply(pc.add(draw(2_970), 30), 500)
    installment_paise = pc.add(pc.divide(pc.multiply(amount, 100), period), draw(10_000))

    def name_numbers() -> pa.Array:
        return pc.add(pc.multiply(language, NAMES_PER_LANGUAGE), draw(NAMES_PER_LANGUAGE))

    return pa.table(
        {
            # Of a branch (`LN-MUM-0000042`), or from an older system, digits that begin with zeros.
            ID_COLUMN: _joined(
                _pick([*(f"LN-{branch}-" for branch in BRANCHES), "000"], draw(len(BRANCHES) + 1)),
                pc.utf8_lpad(row.cast(pa.string()), 7, "0"),
            ),
            "first_name": _pick(first_names, name_numbers()),
            "last_name": sometimes_empty(_pick(last_names, name_numbers()), one_in=20),
            "phone_number": _joined("+91", pc.add(draw(4_000_000_000), 6_000_000_000).cast(pa.string())),
            "loan_amount": amount,
            "emi_amount": pc.divide(installment_paise.cast(pa.float64()), 100),
            "loan_period": period,
            "current_emi": sometimes_empty(pc.add(_modulo(draw(1 << 20), period), 1), one_in=50),
            "emi_due_date": _day(FIRST_DUE_DATE, draw(60)),
            "payment_status": _pick(STATUSES, draw(len(STATUSES))),
            "language": _pick(list(PEOPLE), language),
            "lead_id": sometimes_empty(_joined("00", pc.add(row, 7_000_000).cast(pa.string())), one_in=10),
            "lead_date": sometimes_empty(_day(FIRST_LEAD_DATE, draw(1_000)), one_in=10),
        }
    )


def _draw(rng: random.Random, count: int, below: int) -> pa.Array:
    drawn = pa.Array.from_buffers(pa.uint64(), count, [None, pa.py_buffer(rng.randbytes(8 * count))])
    return _modulo(drawn, pa.scalar(below, pa.uint64())).cast(pa.int64())


def _modulo(values: pa.Array, divisor: pa.Array | pa.Scalar) -> pa.Array:
    """Return what is left of each value (not negative) after division."""
    return pc.subtract(values, pc.multiply(pc.divide(values, divisor), divisor))


def _pick(values: list[str] | list[int], positions: pa.Array) -> pa.Array:
    return pa.array(values).take(positions)


def _joined(*parts: pa.Array | str) -> pa.Array:
    return pc.binary_join_element_wise(*parts, "")


def _sometimes_empty(rng: random.Random, values: pa.Array, one_in: int) -> pa.Array:
    """Return the same values with about one in `one_in` missing."""
    return pc.if_else(pc.equal(_draw(rng, len(values), one_in), 0), None, values)


def _day(first: date, days: pa.Array) -> pa.Array:
    return pc.add(days, (first - date(1970, 1, 1)).days).cast(pa.int32()).cast(pa.date32())


def a_day_later(table: pa.Table, first: int, records: int) -> tuple[pa.Table, list[str]]:
    """Return the rows from number `first` on as they are in the second night, and the ids of those that are gone."""
    row = pa.array(range(first, first + len(table)))
    has_changed = pc.equal(_modulo(row, pa.scalar(CHANGED_EVERY)), 0)
    status = table.column("payment_status").combine_chunks()
    other = pc.if_else(pc.equal(status, "paid"), "disputed", "paid")
    place = table.column_names.index("payment_status")
    table = table.set_column(place, "payment_status", pc.if_else(has_changed, other, status))
    is_gone = pc.equal(_modulo(row, pa.scalar(max(1, records // GONE))), 1)
    return table.filter(pc.invert(is_gone)), table.filter(is_gone).column(ID_COLUMN).to_pylist()


def write(path: Path, records: int, seed: int, *, night: int = 1) -> list[str]:
    """Write a portfolio of so many records, as it is in the first night or the second, into a CSV file.

    Only texts that must be are quoted. Returns the ids of those that are gone by then.

    Raises:
        OSError: the file cannot be written.
    """
    gone: list[str] = []
    with path.open("wb") as file:
        for number, table in enumerate(generate(records, seed)):
            if number == 0:
                file.write(f"{','.join(table.column_names)}\n".encode())
            if night > 1:
                table, some_gone = a_day_later(table, number * BLOCK_RECORDS, records)
                gone += some_gone
            # pyarrow's own writer would quote every text, which exports seldom do.
            cells = [_cells(column.combine_chunks()) for column in table.columns]
            rows = pc.binary_join_element_wise(*cells, ",", null_handling="replace", null_replacement="")
            _, _, text = _joined(rows, "\n").buffers()  # the texts, which Arrow keeps one after the other
            file.write(text)
    return gone


def _cells(column: pa.Array) -> pa.Array:
    """Return the cells of a column: amounts with two decimals, texts in quotes where they must be."""
    if pa.types.is_floating(column.type):
        column = column.cast(pa.decimal128(18, 2))
    if not pa.types.is_string(column.type):
        return column.cast(pa.string())
    quoted = _joined('"', pc.replace_substring(column, '"', '""'), '"')
    return pc.if_else(pc.match_substring_regex(column, '[",]'), quoted, column)
