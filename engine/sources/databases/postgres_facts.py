"""What `check` says about a PostgreSQL database before the night."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from engine.sources.databases.session import Finding


def facts(execute: Callable[[str], list[tuple[Any, ...]]], statement: str) -> Sequence[Finding]:
    """Explain the statement, and say as whom it is read, in which time zone, and whether row policies hide rows."""
    [(plan,)] = execute(f"EXPLAIN (VERBOSE, FORMAT JSON) {statement}")
    plan = json.loads(plan) if isinstance(plan, str) else plan
    root = plan[0]["Plan"]
    [(user, version, is_replica)] = execute(
        "SELECT current_user, current_setting('server_version'), pg_catalog.pg_is_in_recovery()"
    )
    of_what = "a replica, PostgreSQL" if is_replica else "PostgreSQL"
    found = [
        Finding(f"{of_what} {version}, as {user}; sessions are in UTC"),
        Finding(f"the server expects {root['Plan Rows']:,} rows"),
    ]
    for schema, table in sorted(set(_tables_in(root))):
        name = f'"{schema}"."{table}"'.replace("'", "''")
        [(is_active,)] = execute(f"SELECT pg_catalog.row_security_active('{name}')")
        if is_active:
            text = f"row policies of {schema}.{table} apply to {user}: rows that they hide are not read"
            found.append(Finding(text, is_warning=True))
    return found


def _tables_in(plan: dict[str, Any]) -> Iterator[tuple[str, str]]:
    if "Relation Name" in plan:
        yield plan.get("Schema", "public"), plan["Relation Name"]
    for below in plan.get("Plans", []):
        yield from _tables_in(below)
