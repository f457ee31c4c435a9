"""Makes up a plausible portfolio of an Indian debt-collection campaign: for the demo, tests and benchmarks.

Nobody in it exists. It has what makes real exports hard: names in five scripts, names with quotes and commas, ids that
begin with zeros, phone numbers with a plus, empty cells. The same seed always makes the same portfolio.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import IO, TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import polars as pl

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

PortfolioFormat = Literal["csv", "tsv", "ndjson", "canonical", "parquet"]
"""`ndjson` has one flat object a line, `canonical` lines of `{"id", "data"}`."""

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
FIRST_DUE_DATE = date(2026, 11, 1)
FIRST_LEAD_DATE = date(2023, 1, 1)


def generate(records: int, seed: int) -> Iterator[pl.DataFrame]:
    """Yield the portfolio in frames of at most `BLOCK_RECORDS` rows, one typed column a field."""
    rng = random.Random(seed)  # noqa: S311 - made-up people need no secrecy
    for first in range(0, records, BLOCK_RECORDS):
        yield _block(first, min(BLOCK_RECORDS, records - first), rng)


def _block(first: int, count: int, rng: random.Random) -> pl.DataFrame:
    """Return the rows from number `first` on."""
    import polars as pl

    row = pl.int_range(first, first + count, dtype=pl.Int64, eager=True)
    language = _draw(rng, count, len(PEOPLE))
    first_names, last_names = ([name for names in PEOPLE.values() for name in names[which]] for which in (0, 1))
    period = _pick(LOAN_PERIODS_MONTHS, _draw(rng, count, len(LOAN_PERIODS_MONTHS)))
    amount = (_draw(rng, count, 2_970) + 30) * 500
    installment_paise = amount * 100 // period + _draw(rng, count, 10_000)
    columns = {
        ID_COLUMN: _ids(row, _draw(rng, count, len(BRANCHES) + 1)),
        "first_name": _pick(first_names, language * NAMES_PER_LANGUAGE + _draw(rng, count, NAMES_PER_LANGUAGE)),
        "last_name": _sometimes_empty(
            _pick(last_names, language * NAMES_PER_LANGUAGE + _draw(rng, count, NAMES_PER_LANGUAGE)), rng, 20
        ),
        "phone_number": "+91" + (_draw(rng, count, 4_000_000_000) + 6_000_000_000).cast(pl.String),
        "loan_amount": amount,
        "emi_amount": installment_paise / 100,
        "loan_period": period,
        "current_emi": _sometimes_empty(_draw(rng, count, 1 << 20) % period + 1, rng, 50),
        "emi_due_date": _day(FIRST_DUE_DATE, _draw(rng, count, 60)),
        "payment_status": _pick(STATUSES, _draw(rng, count, len(STATUSES))),
        "language": _pick(list(PEOPLE), language),
        "lead_id": _sometimes_empty("00" + (row + 7_000_000).cast(pl.String), rng, 10),
        "lead_date": _sometimes_empty(_day(FIRST_LEAD_DATE, _draw(rng, count, 1_000)), rng, 10),
    }
    return pl.DataFrame(columns)


def _ids(row: pl.Series, branch: pl.Series) -> pl.Series:
    """Return different ids: of a branch (`LN-MUM-0000042`), or from an older system, digits that begin with zeros."""
    import polars as pl

    prefix = _pick([*(f"LN-{name}-" for name in BRANCHES), "000"], branch)
    return prefix + row.cast(pl.String).str.zfill(7)


def _draw(rng: random.Random, count: int, below: int) -> pl.Series:
    """Return `count` random integers from 0 to below `below`."""
    import polars as pl
    import pyarrow as pa

    drawn = pl.Series(
        pl.from_arrow(pa.Array.from_buffers(pa.uint64(), count, [None, pa.py_buffer(rng.randbytes(8 * count))]))
    )
    return (drawn % below).cast(pl.Int64)


def _pick(values: list[str] | list[int], positions: pl.Series) -> pl.Series:
    """Return the values at these positions."""
    import polars as pl

    return pl.Series(values).gather(positions)


def _sometimes_empty(values: pl.Series, rng: random.Random, one_in: int) -> pl.Series:
    """Return the same values with about one in `one_in` missing."""
    empty = _draw(rng, len(values), one_in) == 0
    return values.set(empty, None)


def _day(first: date, days: pl.Series) -> pl.Series:
    """Return the dates so many days after the first."""
    import polars as pl

    return (days + (first - date(1970, 1, 1)).days).cast(pl.Int32).cast(pl.Date)


def write(path: Path, records: int, seed: int, format: PortfolioFormat = "csv") -> None:
    """Write a portfolio of so many records into a file.

    Raises:
        OSError: the file cannot be written.
    """
    if format == "parquet":
        return _write_parquet(path, generate(records, seed))
    write_block: Callable[[pl.DataFrame, IO[bytes], bool], None] = {
        "csv": lambda frame, file, first: frame.write_csv(file, include_header=first, float_precision=2),
        "tsv": lambda frame, file, first: frame.write_csv(
            file, include_header=first, float_precision=2, separator="\t"
        ),
        "ndjson": lambda frame, file, _: frame.write_ndjson(file),
        "canonical": lambda frame, file, _: _canonical(frame).write_ndjson(file),
    }[format]
    with path.open("wb") as file:
        for number, frame in enumerate(generate(records, seed)):
            write_block(frame, file, number == 0)
    return None


def _canonical(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the same records as an id and one nested object."""
    import polars as pl

    return frame.select(pl.col(ID_COLUMN).alias("id"), pl.struct(pl.exclude(ID_COLUMN)).alias("data"))


def _write_parquet(path: Path, frames: Iterator[pl.DataFrame]) -> None:
    """Write the frames as the row groups of one Parquet file."""
    from pyarrow.parquet import ParquetWriter

    first = next(frames).to_arrow()
    with ParquetWriter(path, first.schema) as writer:
        writer.write_table(first)
        for frame in frames:
            writer.write_table(frame.to_arrow())
