"""Other ways to do the engine's main job, each a program of its own: `catalog.py` lists them.

Every peer takes the kind of an input, its path and its number of records as arguments, and finds the API in the
variables `BENCH_URL`, `BENCH_CAMPAIGN` and `BENCH_TOKEN`. They are written as their users would write them, and well;
none keeps the engine's accounts.
"""
