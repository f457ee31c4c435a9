"""`[route]` as plain values that travel: which text of a record means which campaign."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from engine.values import OPEN_CHUNKS


class Routing(msgspec.Struct, frozen=True):
    """`[route]` as plain values. `campaigns` None means that the column holds the campaign's id itself."""

    column: str
    campaigns: Mapping[str, str] | None = None
    other: str = "invalid"
    """`invalid`, `skip`, or the campaign of all others."""
    open_chunks: int = OPEN_CHUNKS
    """So many full chunks may be open at once; of smaller ones, as many as hold no more bytes."""

    @property
    def complaint(self) -> str:
        """Why a record is refused that is for no campaign."""
        where = "is empty" if self.campaigns is None else "is not in route.campaigns"
        return f"no campaign: the value of {self.column!r} (route.column) {where}"
