"""CSV and TSV, exact everywhere and native where that is safe."""

from engine.sources.csv.reader import read_rows as read_rows
