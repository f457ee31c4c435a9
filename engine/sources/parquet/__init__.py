"""Parquet, exact whatever wrote it."""
