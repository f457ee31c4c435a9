"""Columns to lines: which are sent, how their values become JSON, and how rows are put together."""
