"""What `check` says about a PostgreSQL database before the night."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any, TypeAlias

from engine.sources.databases.address import DatabaseQuery
from engine.sources.databases.session import Finding

Execute: TypeAlias = Callable[[str], list[tuple[str | None, ...]]]


def facts(execute: Execute, asked: DatabaseQuery, statement: str) -> Sequence[Finding]:
    """Explain the statement, and say as whom it is read, in which time zone, and whether row policies hide rows."""
    [(plan,)] = execute(f"EXPLAIN (VERBOSE, FORMAT JSON) {statement}")
    root = json.loads(plan or "")[0]["Plan"]
    [(user, version, is_replica)] = execute(
        "SELECT current_user, current_setting('server_version'), pg_catalog.pg_is_in_recovery()"
    )
    of_what = "a replica, PostgreSQL" if is_replica == "t" else "PostgreSQL"
    found = [
        Finding(f"{of_what} {version}, as {user}; sessions are in UTC"),
        Finding(f"the server expects {root['Plan Rows']:,} rows"),
    ]
    # A table of which a policy hides all rows does not even stand in the plan.
    tables = {*_tables_in(root), *([tuple(asked.table_parts())] if asked.table is not None else [])}
    found += _policies(execute, user, tables)
    return found


def _policies(execute: Execute, user: str | None, tables: Collection[tuple[str, ...]]) -> Iterator[Finding]:
    names = {".".join(f'"{part.replace(chr(34), chr(34) * 2)}"' for part in table) for table in tables}
    told = set()
    for name in sorted(names):
        literal = name.replace("'", "''")
        query = f"SELECT pg_catalog.row_security_active(oid), oid FROM (SELECT '{literal}'::regclass AS oid) AS t"  # noqa: S608
        [(is_active, shown)] = execute(query)
        if is_active == "t" and shown not in told:
            told.add(shown)
            yield Finding(f"row policies of {shown} apply to {user}: rows that they hide are not read", is_warning=True)


def _tables_in(plan: dict[str, Any]) -> Iterator[tuple[str, str]]:
    if "Relation Name" in plan:
        yield plan.get("Schema", "public"), plan["Relation Name"]
    for below in plan.get("Plans", []):
        yield from _tables_in(below)
