"""What a pass over a source is compared with, and what it tells at its end, as plain values that travel."""

from __future__ import annotations

import msgspec


class Comparing(msgspec.Struct, frozen=True):
    """What a pass is compared with, as plain values.

    `key` is the secret of the ledger, `stem`, `generation` and `ids` say where it is; no generation: there is none yet.
    """

    key: int
    stem: str = ""
    generation: str = ""
    ids: str = ""
    is_full: bool = False
    """Whether every record is sent, also those that equal their entries."""
    due: tuple[int, ...] = ()
    """The tags of entries that are so old that their records are sent anyway."""
    done: tuple[tuple[int, int], ...] = ()
    """What earlier processes of the run have settled: after so many records so many, in order."""


class Presence(msgspec.Struct, frozen=True):
    """Whose records a pass has met, whatever they were like: known once it has come to its end."""

    seen: bytes
    """A bit for each entry of the ledger (see `engine.ledger.Seen`)."""
    unidentified: int
    """Rows whose id could not be read."""
