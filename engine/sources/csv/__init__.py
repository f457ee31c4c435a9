"""CSV and TSV, exact everywhere and native where that is safe."""

from engine.sources.csv.reader import read_blocks as read_blocks
