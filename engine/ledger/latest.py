"""What is known of single ids: their entries, and what has changed about them since the files were written."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from msgspec import Struct
from msgspec.structs import replace
from numpy.typing import NDArray

from engine.ledger.changes import Acknowledged, Change, Removed, Voided, VoidedAll, keys_of
from engine.ledger.columns import Columns, NotTheLedger
from engine.ledger.digests import VOID
from engine.ledger.ids import id_at
from engine.ledger.lookup import find_ids

COMPARED_ONE_BY_ONE_MAX = 16
"""Above so many keys, sorting them is quicker."""


class Latest(Struct, frozen=True):
    """What a ledger knows of an id. Runs are told by their numbers."""

    digest: int
    """Of the record that was acknowledged last; 0 if something else may be on the server by now."""
    run: int
    """The run that acknowledged it last."""
    gone_since: int = 0
    """The complete run that first held it no more; 0 if it is not gone."""


def latest_of(
    columns: Columns | None, changes: Iterable[tuple[int, Change]], ids: Sequence[str], key: int
) -> list[Latest | None]:
    """Return what is known of each of these ids, all different; None where that is nothing.

    `changes` come in order, each with the number of its run; `key` is the secret of the ledger.

    Raises:
        NotTheLedger: the files are damaged.
    """
    keys = np.frombuffer(keys_of(ids, key), np.uint64)
    found: list[Latest | None] = [None] * len(ids)
    if columns is not None:
        try:
            found = [_entry(columns, entry) for entry in find_ids(columns, keys, ids).tolist()]
        except (IndexError, UnicodeDecodeError) as error:
            raise NotTheLedger("its files are damaged") from error
    for run, change in changes:
        _apply(change, run, found, keys, ids)
    return found


def _entry(columns: Columns, entry: int) -> Latest | None:
    if entry < 0:
        return None
    tag = columns.header.tags[columns.tags[entry]]
    return Latest(int(columns.digests[entry]), tag.run, tag.gone_since)


def _apply(change: Change, run: int, found: list[Latest | None], keys: NDArray[np.uint64], ids: Sequence[str]) -> None:
    match change:
        case VoidedAll():
            found[:] = [_void(each) for each in found]
        case Voided():
            voided = np.frombuffer(change.keys, np.uint64)
            named = voided[_among(voided, keys)]
            for index in np.flatnonzero(np.isin(keys, named)).tolist():
                found[index] = _void(found[index])
        case Acknowledged():
            digests = np.frombuffer(change.digests, np.uint64)
            for index, at in _named(change, keys, ids):
                before = found[index]
                found[index] = Latest(int(digests[at]), run, before.gone_since if before else 0)
        case Removed():
            for index, _ in _named(change, keys, ids):
                found[index] = None


def _void(latest: Latest | None) -> Latest | None:
    return replace(latest, digest=VOID) if latest is not None else None


def _among(changed: NDArray[np.uint64], keys: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Return which keys of a change are asked for: mostly none of ten thousand is, in each of thousands of changes."""
    if len(keys) > COMPARED_ONE_BY_ONE_MAX:
        return np.isin(changed, keys)
    found = np.zeros(len(changed), np.bool_)
    for key in keys:
        found |= changed == key
    return found


def _named(change: Acknowledged | Removed, keys: NDArray[np.uint64], ids: Sequence[str]) -> Iterable[tuple[int, int]]:
    """Yield which of the ids a change names, and where in it, in its order."""
    changed = np.frombuffer(change.keys, np.uint64)
    words, begins = np.frombuffer(change.words, np.uint64), np.frombuffer(change.begins, np.uint32)
    for at in np.flatnonzero(_among(changed, keys)).tolist():
        record_id = id_at(words, int(begins[at]))
        for index in np.flatnonzero(keys == changed[at]).tolist():
            if ids[index] == record_id:
                yield index, at
