"""What a pass over a source is compared with, and what it tells at its end, as plain values that travel."""

from __future__ import annotations

from hashlib import blake2b

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
    campaigns: dict[str, Comparing] = {}
    """With many campaigns, what each is compared with; one that is not among them has nothing yet."""

    def of(self, campaign_id: str) -> Comparing:
        """Return what a campaign among many is compared with."""
        return self.campaigns.get(campaign_id) or Comparing(
            key_of_campaign(campaign_id, self.key), is_full=self.is_full
        )


def key_of_campaign(campaign_id: str, key: int) -> int:
    """Return the secret of the ledger of a campaign that is met for the first time, where `key` is that of the run."""
    return int.from_bytes(blake2b(campaign_id.encode(), digest_size=8, key=key.to_bytes(8, "big")).digest(), "big")


class Presence(msgspec.Struct, frozen=True):
    """Whose records a pass has met, whatever they were like: known once it has come to its end."""

    seen: bytes
    """A bit for each entry of the ledger (see `engine.ledger.Seen`)."""
    unidentified: int
    """Rows whose id could not be read."""
    moved: dict[str, bytes] = {}
    """With many campaigns: entries that were missed, but stand under another one, by its id: 64-bit indexes."""
    campaigns: dict[str, Presence] = {}
    """With many campaigns: those of each that was met."""
