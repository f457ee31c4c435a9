"""What `check` says about an Oracle database before the night."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias

from engine.sources.databases.address import DatabaseQuery
from engine.sources.databases.session import Finding

Execute: TypeAlias = Callable[..., Sequence[Sequence[Any]]]

WHO = (
    "SELECT SYS_CONTEXT('USERENV', 'SESSION_USER'), SYS_CONTEXT('USERENV', 'CURRENT_SCHEMA'), "
    "(SELECT MAX(version) FROM product_component_version) FROM dual"
)
ROWS = "SELECT num_rows FROM all_tables WHERE owner = :owner AND table_name = :name"
POLICIES = (
    "SELECT object_owner, object_name, MIN(policy_name) FROM all_policies WHERE enable = 'YES' AND sel = 'YES' "
    "GROUP BY object_owner, object_name ORDER BY object_owner, object_name"
)


def facts(execute: Execute, asked: DatabaseQuery) -> Sequence[Finding]:
    """Say as whom it is read, in which time zone, how many rows there may be, and whether policies hide rows."""
    [(user, schema, version)] = execute(WHO)
    found = [Finding(f"Oracle {version}, as {user}; one snapshot; sessions are in UTC")]
    parts = [] if asked.table is None else asked.table_parts(str.upper)
    if parts:
        owner, name = ([schema, *parts])[-2:]
        rows = execute(ROWS, owner=owner, name=name)
        if rows and rows[0][0] is not None:
            found.append(Finding(f"the server expects {rows[0][0]:,} rows"))
    return [*found, *_policies(execute, asked, user, parts)]


def _policies(execute: Execute, asked: DatabaseQuery, user: str, parts: Sequence[str]) -> Iterator[Finding]:
    """Warn of policies on the table, or on what a query names: what a view stands on is not looked into."""
    words = {word.upper() for word in re.findall(r"[\w$#]+", asked.query or "")}
    for owner, name, policy in execute(POLICIES):
        if name in words or (parts and parts[-1] == name and parts[:-1] in ([], [owner])):
            yield Finding(
                f"the policy {policy} of {owner}.{name} may apply to {user}: rows that it hides are not read",
                is_warning=True,
            )
