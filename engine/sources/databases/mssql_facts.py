"""What `check` says about a SQL Server database before the night."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias

from engine.sources.databases.address import DatabaseQuery
from engine.sources.databases.session import Finding

Rows: TypeAlias = Callable[[str], Sequence[Sequence[Any]]]

WITHOUT_SNAPSHOT = (
    "the database allows neither SNAPSHOT isolation nor READ_COMMITTED_SNAPSHOT: rows that change while they are read "
    "may be missed or come twice"
)

WHO = "SELECT CAST(SERVERPROPERTY('ProductVersion') AS nvarchar(60)), SUSER_SNAME(), USER_NAME()"
ROWS = (
    "SELECT SUM(rows) FROM sys.partitions WHERE object_id = OBJECT_ID(N'{}') AND index_id IN (0, 1) HAVING COUNT(*) > 0"
)
POLICIES = (
    "SELECT DISTINCT OBJECT_SCHEMA_NAME(predicate.target_object_id), OBJECT_NAME(predicate.target_object_id), "
    "policy.name FROM sys.security_policies AS policy JOIN sys.security_predicates AS predicate "
    "ON predicate.object_id = policy.object_id WHERE policy.is_enabled = 1 AND predicate.predicate_type = 0"
)


def facts(rows: Rows, asked: DatabaseQuery, isolation: str | None) -> Sequence[Finding]:
    """Say as whom it is read, under which isolation, how many rows there may be, and whether policies hide rows."""
    [(version, login, user)] = rows(WHO)
    one_state = "" if isolation is None else f"; one state of all rows, by {isolation}"
    found = [Finding(f"SQL Server {version}, as {login} ({user}){one_state}")]
    if isolation is None:
        found.append(Finding(f"{WITHOUT_SNAPSHOT}; source.without_snapshot accepts that", is_warning=True))
    parts = [] if asked.table is None else asked.table_parts()
    if parts:
        name = ".".join(f"[{part.replace(']', ']]')}]" for part in parts).replace("'", "''")
        found += [Finding(f"the server expects {int(count):,} rows") for (count,) in rows(ROWS.format(name))]
    return [*found, *_policies(rows, asked, user, parts)]


def _policies(rows: Rows, asked: DatabaseQuery, user: str, parts: Sequence[str]) -> Iterator[Finding]:
    """Warn of policies on the table, or on what a query names: what a view stands on is not looked into."""
    words = {word.lower() for word in re.findall(r"[\w$#@]+", asked.query or "")}
    wanted = [part.lower() for part in parts[-2:]]
    for schema, name, policy in rows(POLICIES):
        if name is None:  # of a table that may not be seen
            continue
        if name.lower() in words or (wanted and wanted in ([name.lower()], [schema.lower(), name.lower()])):
            yield Finding(
                f"the security policy {policy} of {schema}.{name} may apply to {user}: rows that it hides are not read",
                is_warning=True,
            )
