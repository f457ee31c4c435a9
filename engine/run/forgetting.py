"""Forgetting, because a person has asked for it: what is forgotten is sent again by the next run.

An id that is forgotten stays in the ledger, void, so that it is still noticed when it is gone. Only if it is erased,
too, there is no trace of it left in the ledger's files: these are written anew, beside the old ones, and the journal
changes over to them in one transaction.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import msgspec

from engine.run.ledger_of_run import WaitingChanges, columns_of, paths_of, with_files
from engine.state import LedgerRow, SqliteJournal, translated
from engine.values import ConfigError, StateFailed

CAMPAIGN_FORGOTTEN = "its campaign was forgotten (ledger forget)"
CAMPAIGN_ERASED = "the ledger of its campaign was erased (ledger forget --erase)"


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What was done about the ledger of a campaign: so many ids of it are sent again."""

    campaign_id: str
    count: int
    unknown: tuple[str, ...] = ()
    """Ids that were asked for and that this ledger does not hold."""


def forget_ids(journal: SqliteJournal, ids: Sequence[str], *, erase: bool = False) -> list[Forgotten]:
    """Have these ids sent again, in every campaign whose ledger holds them.

    Raises:
        StateFailed: it can't be written down, or to erase ids, a ledger can't be read.
    """
    from engine.ledger import Voided, encode_change, keys_of

    done = []
    for row in journal.ledgers():
        known = _known(journal, row, ids)
        if erase:
            _without(journal, row, ids)
        elif known:
            journal.put_ledger(row, [encode_change(Voided(keys_of(sorted(known), row.key)))])
        _send_again(journal, row)
        done.append(Forgotten(_campaign_of(row), len(known), tuple(each for each in ids if each not in known)))
    return done


def forget_campaigns(journal: SqliteJournal, campaign_id: str | None, *, erase: bool = False) -> list[Forgotten]:
    """Have everything sent again in a campaign, or in all (None): the next run of each is a full send that says so.

    Raises:
        ConfigError: no ledger is of this campaign.
        StateFailed: it can't be written down.
    """
    from engine.ledger import VoidedAll, encode_change

    every = journal.ledgers()
    rows = [row for row in every if campaign_id in (None, _campaign_of(row))]
    if not rows and campaign_id is not None:
        others = ", ".join(_campaign_of(row) for row in every) or "none at all"
        raise ConfigError(f"there is no ledger of a campaign {campaign_id!r} here; there are: {others}")
    for row in rows:
        if erase:
            _erase(journal, row)
        else:
            forgotten = msgspec.structs.replace(row, forgotten=CAMPAIGN_FORGOTTEN)
            journal.put_ledger(forgotten, [encode_change(VoidedAll())])
        _send_again(journal, row, CAMPAIGN_ERASED if erase else CAMPAIGN_FORGOTTEN)
    return [Forgotten(_campaign_of(row), row.records) for row in rows]


def _campaign_of(row: LedgerRow) -> str:
    campaign_id: str = json.loads(row.target)[2]
    return campaign_id


def _send_again(journal: SqliteJournal, row: LedgerRow, full_reason: str | None = None) -> None:
    """Have an interrupted run go over again what it has called unchanged, and say why, if everything is sent."""
    run = journal.unfinished_run("sync")
    if run is not None and run.campaign_id == _campaign_of(row):
        journal.take_back_unchanged(run)
        if full_reason is not None and run.delta:
            journal.note_delta(run, {**run.delta, "full_reason": full_reason})


def _known(journal: SqliteJournal, row: LedgerRow, ids: Sequence[str]) -> set[str]:
    """Return which of these ids the ledger holds, or what has changed since its files were written."""
    import numpy as np

    from engine.ledger import Acknowledged, NotTheLedger, find_ids, keys_of

    keys = np.frombuffer(keys_of(ids, row.key), np.uint64)
    is_known = np.zeros(len(ids), np.bool_)
    for _, change in WaitingChanges(journal, row):
        if isinstance(change, Acknowledged):
            is_known |= np.isin(keys, np.frombuffer(change.keys, np.uint64))
    try:
        columns = columns_of(row, journal.dir)
        if columns is not None:
            is_known |= find_ids(columns, keys, ids) >= 0
    except NotTheLedger:
        pass  # nothing in it counts: the next run sends everything, and says so
    return {each for each, known in zip(ids, is_known.tolist(), strict=True) if known}


def _erase(journal: SqliteJournal, row: LedgerRow) -> None:
    """Erase a ledger, but for which feeds there are: of none of them a complete run is known any more."""
    stem, ids = paths_of(row, journal.dir)
    feeds = {name: msgspec.structs.replace(feed, complete_run=0, files=0) for name, feed in row.feeds.items()}
    empty = LedgerRow(row.target, row.key, row.name, row.mapping, row.digest_version)
    empty = msgspec.structs.replace(empty, feeds=feeds, forgotten=CAMPAIGN_ERASED)
    last = max((number for number, _, _ in journal.ledger_changes(row.target)), default=0)
    journal.replace_ledger(empty, last, erase=True)
    _delete(stem, ids)


def _without(journal: SqliteJournal, row: LedgerRow, ids: Sequence[str]) -> None:
    """Write a ledger anew, under another name, without some ids; everything that was to be merged is in it.

    Raises:
        StateFailed: the ledger can't be read, or the new one not be written.
    """
    import numpy as np

    from engine.ledger import NotTheLedger, find_ids, keys_of, merge, removed, write_ids_without

    new = msgspec.structs.replace(row, name=f"{row.name.partition('_')[0]}_{secrets.token_hex(4)}")
    (old_stem, old_ids), (stem, new_ids) = paths_of(row, journal.dir), paths_of(new, journal.dir)
    keys, waiting = keys_of(ids, row.key), WaitingChanges(journal, row)
    try:
        columns = columns_of(row, journal.dir)
    except NotTheLedger as error:
        raise StateFailed(f"{old_stem}: the ledger cannot be used ({error}); erase its campaign as a whole") from error
    with translated(stem):
        ids_bytes = 0
        if columns is not None:
            found = find_ids(columns, np.frombuffer(keys, np.uint64), ids)
            ids_bytes = row.ids_bytes
            write_ids_without(columns, found[found >= 0], new_ids, ids_bytes)
        merged = merge(columns, chain(waiting, [(0, removed(keys, ids))]), stem=stem, ids=new_ids, ids_bytes=ids_bytes)
    journal.replace_ledger(with_files(new, merged), waiting.last, erase=True)
    _delete(old_stem, old_ids)


def _delete(stem: Path, ids: Path) -> None:
    from engine.ledger import delete_files

    delete_files(stem)
    with translated(ids):
        ids.unlink(missing_ok=True)
