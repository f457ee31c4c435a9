"""The engine's own way out of a database, without the sending."""

from __future__ import annotations

import sys
from pathlib import Path

from engine.sources import DatabaseQuery, SourceSpec, spool_result


def main(url: str, directory: str) -> None:
    """Spool the table of loans."""
    asked = DatabaseQuery(url, table="loans")
    spool_result(
        asked,
        SourceSpec((asked.label,), format=asked.spool_format, id="loan_id"),
        Path(directory),
        password=lambda: None,
        retry_window_s=0.0,
        still_wanted=lambda: None,
        counted=lambda rows: None,
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
