"""What a run has learned for later ones, such as the limits of an API: values by name."""

from __future__ import annotations

import json
from typing import Any

from engine.state.database import Database


class Learned:
    """The table `learned`."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def get(self, name: str) -> Any:
        """Return the value of `name`, or None."""
        row = self._db.row("SELECT value FROM learned WHERE name = ?", (name,))
        return json.loads(row["value"]) if row else None

    def put(self, name: str, value: Any) -> None:
        """Keep `value` under `name`."""
        self._db.change("INSERT OR REPLACE INTO learned (name, value) VALUES (?, ?)", [(name, json.dumps(value))])
