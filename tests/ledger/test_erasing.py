"""What was erased is nowhere in the new file of ids; everything else stands where it stood."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from engine.ledger import Columns, acknowledged, find_ids, keys_of, merge, open_columns, removed, write_ids_without

KEY = 7
IDS = [f"loan_{number:04d}" for number in range(50)] + ["ü" * 20]


def ledger_of(where: Path, ids: list[str]) -> tuple[Columns, int]:
    """A ledger of these ids, all of which were acknowledged, but for the last, which was also removed."""
    stem, path = where / "ledger", where / "ledger.ids"
    change = acknowledged(keys_of(ids, KEY), bytes(8 * len(ids)), ids)
    assert change is not None
    first = merge(None, [(1, change)], stem=stem, ids=path, ids_bytes=0)
    gone = removed(keys_of(ids[-1:], KEY), ids[-1:])
    base = open_columns(stem, first.generation, path)
    merged = merge(base, [(2, gone)], stem=stem, ids=path, ids_bytes=first.ids_bytes)
    return open_columns(stem, merged.generation, path), merged.ids_bytes


def entries_of(columns: Columns, ids: list[str]) -> list[int]:
    return [int(each) for each in find_ids(columns, np.frombuffer(keys_of(ids, KEY), np.uint64), ids)]


def test_only_ids_of_entries_that_are_not_erased_are_in_the_new_file(tmp_path: Path) -> None:
    columns, length = ledger_of(tmp_path, IDS)
    erased = [IDS[3], IDS[17]]
    assert IDS[-1].encode() in (tmp_path / "ledger.ids").read_bytes(), "removed, but still in the file"
    new = tmp_path / "new.ids"
    write_ids_without(columns, np.array(entries_of(columns, erased)), new, length)
    written = new.read_bytes()
    assert len(written) == length
    for record_id in IDS:
        assert (record_id.encode() in written) == (record_id not in (*erased, IDS[-1]))
    again = Columns(tmp_path / "ledger", columns.header, new)
    kept = [each for each in IDS[:-1] if each not in erased]
    assert [again.id(entry) for entry in entries_of(columns, kept)] == kept


def test_an_id_is_found_by_itself_and_not_by_its_key_alone(tmp_path: Path) -> None:
    ids, key = ["first", "second", "third"], keys_of(["first"], KEY)
    change = acknowledged(key * 2, bytes(16), ids[:2])  # two ids of one key
    assert change is not None
    merged = merge(None, [(1, change)], stem=tmp_path / "ledger", ids=tmp_path / "ids", ids_bytes=0)
    columns = open_columns(tmp_path / "ledger", merged.generation, tmp_path / "ids")
    found = find_ids(columns, np.frombuffer(key * 3, np.uint64), ids)
    assert [columns.id(int(entry)) for entry in found[:2]] == ids[:2]
    assert found[2] == -1
