"""What the ledger of a campaign must hold and what it may hold, as far as that can be known from outside.

After a night that has finished, everything is certain. After a kill some things are not: then the engine may send a
record or skip it, and only the server's state tells whether that was right.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from tests.acceptance.lender import Export
from tests.acceptance.nights import texts

FULL_EVERY_DAYS = 6.5


@dataclass(frozen=True)
class Entry:
    """A record that was acknowledged: its values as texts, and on which day, if that is certain."""

    values: dict[str, str]
    day: float | None

    def is_good(self, values: dict[str, str], day: float) -> bool | None:
        """Whether these values need not be sent on that day; None if nobody can say."""
        if self.values != values:
            return False
        return None if self.day is None else 0 <= day - self.day < FULL_EVERY_DAYS


@dataclass
class Beliefs:
    """Of one campaign. An id with no entry must be sent; one that is uncertain may be sent or skipped."""

    entries: dict[str, Entry] = field(default_factory=dict)
    uncertain: set[str] = field(default_factory=set)
    known: set[str] = field(default_factory=set)
    """The ids that the ledger knows for certain."""
    perhaps_known: set[str] = field(default_factory=set)
    held: set[str] = field(default_factory=set)
    """The ids that could be found gone: the last complete night held them, or they were gone before and not told."""
    perhaps_held: set[str] = field(default_factory=set)
    judges: bool = False
    """Whether the next complete night has one to compare with, for certain."""
    may_be_closed: set[str] = field(default_factory=set)
    """The ids that may have the constants on the server: they were gone, and not delivered since."""

    def must_send(self, export: Export, day: float) -> set[str]:
        """Return the ids whose latest values must be sent on that day."""
        return {id_ for id_, good in self._goodness(export, day).items() if good is False}

    def may_send(self, export: Export, day: float) -> set[str]:
        """Return the ids for which nobody can say."""
        return {id_ for id_, good in self._goodness(export, day).items() if good is None}

    def must_be_gone(self, export: Export) -> set[str]:
        """Return the ids that are gone for certain."""
        return (self.held & self.known) - export.present

    def may_be_gone(self, export: Export) -> set[str]:
        """Return the ids that are gone, as far as one can know."""
        return (self.perhaps_held & self.perhaps_known) - export.present

    def finished(self, export: Export, sent: set[str], refused: set[str], told: set[str], day: float) -> None:
        """Take in a complete night: which ids it had to send, which were refused, which gone ones were told."""
        delivered = export.latest.keys() - refused
        self._acknowledge(export, delivered, sent, day)
        left_over = self.entries.keys() - delivered - refused - self.held  # other feeds may have brought them
        self.entries = {id_: entry for id_, entry in self.entries.items() if id_ in delivered}
        self.uncertain = export.invalid | left_over | (self.uncertain - export.present - self.held)
        self._doubt_merged(export)
        self.known -= told
        self.perhaps_known -= told
        self.held, self.perhaps_held = (
            export.present | self.must_be_gone(export),
            export.present | self.may_be_gone(export),
        )
        self.judges = True

    def partly_finished(self, export: Export, sent: set[str], refused: set[str], day: float) -> None:
        """Take in a part that was delivered (`--limit`, a feed of changes): it says nothing of other ids."""
        self._acknowledge(export, export.latest.keys() - refused, sent, day)
        self.entries = {id_: entry for id_, entry in self.entries.items() if id_ not in refused}
        self.uncertain = (self.uncertain - export.latest.keys()) | export.invalid
        self._doubt_merged(export)

    def finished_without_delta(self, export: Export, refused: set[str]) -> None:
        """Take in a complete night that reads no entry: it may void all, or only what it changes."""
        self.doubt()
        self.held &= export.present
        self.may_be_closed -= export.latest.keys() - refused

    def unfinished(self, export: Export, day: float) -> None:
        """Take in a night that was cut: what differs may have been sent, acknowledged, or only taken back."""
        touched = self.must_send(export, day) | export.repeated | export.invalid
        self.doubt(touched | (self.entries.keys() - export.present))
        self.known -= self.may_be_gone(export)
        self.perhaps_known |= export.present
        self.held &= export.present
        self.perhaps_held |= export.present

    def doubt(self, ids: Collection[str] | None = None) -> None:
        """Take in that nobody can say any more whether these are sent; without ids, all that have an entry."""
        doubted = set(self.entries) if ids is None else set(ids)
        self.uncertain |= doubted
        self.entries = {id_: entry for id_, entry in self.entries.items() if id_ not in doubted}

    def forgotten(self, ids: Collection[str]) -> None:
        """Take in that these must be sent again."""
        self.entries = {id_: entry for id_, entry in self.entries.items() if id_ not in ids}
        self.uncertain -= set(ids)
        self.known -= set(ids)

    def damaged(self) -> None:
        """Take in that the ledger is lost: all must be sent, but for what the journal may know; nobody need be gone."""
        self.entries, self.known, self.held, self.judges = {}, set(), set(), False

    def damaged_on_the_way(self) -> None:
        """Take in that the night that has finished now had sent some before the ledger was lost: nobody knows whom."""
        self.doubt()
        self.known, self.held, self.judges = set(), set(), False

    def remapped(self) -> None:
        """Take in that all must be sent; the ids stay."""
        self.entries, self.uncertain = {}, set()

    def _goodness(self, export: Export, day: float) -> dict[str, bool | None]:
        """Say of each id whether it need not be sent; None if nobody can say."""
        goodness: dict[str, bool | None] = dict.fromkeys(export.latest, False) | dict.fromkeys(self.uncertain)
        for id_ in export.latest.keys() & self.entries.keys():
            goodness[id_] = self.entries[id_].is_good(texts(export.latest[id_]), day)
        return {id_: goodness[id_] for id_ in export.latest}

    def _acknowledge(self, export: Export, delivered: Collection[str], sent: set[str], day: float) -> None:
        for id_ in delivered:
            values, before = texts(export.latest[id_]), self.entries.get(id_)
            if id_ in sent:
                self.entries[id_] = Entry(values, day)
            elif before is None or id_ in self.uncertain or before.day is None:
                self.entries[id_] = Entry(values, None)
        self.known |= set(delivered)
        self.perhaps_known |= set(delivered)
        self.may_be_closed -= set(delivered)

    def _doubt_merged(self, export: Export) -> None:
        self.doubt(export.merged & self.entries.keys())
