"""Databases: one statement, in one snapshot, becomes a file (`spool.py`), which is then read like any other."""
