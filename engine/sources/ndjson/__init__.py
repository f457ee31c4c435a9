"""NDJSON: canonical lines as they are, flat ones by the mapping; fast where that is proven to be the same."""

from engine.sources.ndjson.reader import read_rows as read_rows
