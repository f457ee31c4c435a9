"""NDJSON: canonical lines as they are, flat ones by the mapping; fast where that is proven to be the same."""
