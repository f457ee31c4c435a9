"""Replay: what a run could not deliver is sent again, once, in order, and never an old value over a newer one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from engine.outlets.displays import NoProgress
from engine.run.jobs.replay import RejectFile, replay
from engine.settings.loading import from_tables
from engine.state.journal import Journal, Run, Undelivered, id_digest
from engine.state.rejects import REJECTED, reject_lines
from engine.state.sqlite_journal import SqliteJournal
from engine.values import Chunk, ChunkResult, Failure, JoinedLines, Outcome, Place, Refusal, Span, places
from engine.values.counts import RequestCounts
from engine.values.errors import ConfigError, SourceUntrusted


def result(seq: int, versions: dict[str, int], failed: str = "", outcome: Outcome = Outcome.REJECTED) -> ChunkResult:
    """A result of a chunk with a version of each id; the ids in `failed` failed."""
    lines = b"\n".join(orjson.dumps({"id": id_, "data": {"version": version}}) for id_, version in versions.items())
    chunk = Chunk(
        seq,
        list(versions),
        JoinedLines(lines),
        [Span("f", 1, len(versions))],
        [Refusal("bad", Place("f", 99), raw="?")],
    )
    return ChunkResult(chunk, [Failure(list(versions).index(id_), outcome, "locked", 207) for id_ in failed])


class Night:
    """A run in a journal."""

    def __init__(self, journal: Journal, number: int, campaign_id: str = "camp") -> None:
        self.run = Run(f"run-{number}", "sync", campaign_id, "2026-11-23T02:00:00.000Z", {})
        self._journal = journal
        journal.begin(self.run)

    def record(self, *results: ChunkResult) -> Night:
        for each in results:
            self._journal.record(self.run, [each], 1.0, RequestCounts())
        return self

    def to_replay(self) -> list[tuple[str, int]]:
        undelivered = self._journal.undelivered_by(self.run.id)
        assert undelivered is not None
        return sent(RejectFile(self._journal.run_dir(self.run.id) / REJECTED, undelivered, 2, NoProgress()))


def sent(source: RejectFile) -> list[tuple[str, int]]:
    """What a replay reads: ids and versions, in order."""
    found = []
    for block in source.blocks():
        documents = [orjson.loads(line) for line in block.lines.split(b"\n")] if block.ids else []
        assert [document["id"] for document in documents] == block.ids
        assert all(document.keys() == {"id", "data"} for document in documents)
        assert len(list(places(block.spans))) == len(block.ids) <= 2
        found += [(document["id"], document["data"]["version"]) for document in documents]
    return found


@pytest.fixture
def journal(tmp_path: Path) -> Any:
    opened = SqliteJournal(tmp_path / "state")
    yield opened
    opened.close()


def test_what_was_rejected_or_left_unknown_is_sent_again_in_order(journal: Journal) -> None:
    night = Night(journal, 1)
    night.record(result(0, {"a": 1, "b": 2, "c": 3}, "ac"), result(1, {"d": 4}, "d", Outcome.UNKNOWN))
    assert night.to_replay() == [("a", 1), ("c", 3), ("d", 4)]


def test_what_a_later_run_has_read_is_left_out(journal: Journal) -> None:
    first = Night(journal, 1).record(result(0, {"a": 1, "b": 2, "c": 3}, "abc"))
    second = Night(journal, 2).record(result(0, {"a": 11, "b": 12}, "b"))
    assert first.to_replay() == [("c", 3)]
    assert second.to_replay() == [("b", 12)]


def test_what_the_same_run_has_delivered_later_is_left_out(journal: Journal) -> None:
    night = Night(journal, 1).record(result(0, {"a": 1, "b": 2}, "ab"), result(1, {"a": 3}))
    assert night.to_replay() == [("b", 2)]


def test_versions_before_the_latest_delivered_one_are_left_out(journal: Journal) -> None:
    night = Night(journal, 1).record(result(0, {"a": 1}, "a"), result(1, {"a": 2}), result(2, {"a": 3}, "a"))
    assert night.to_replay() == [("a", 3)]


def test_versions_of_which_none_was_delivered_are_all_sent_for_updates_are_partial(journal: Journal) -> None:
    night = Night(journal, 1).record(result(0, {"a": 1}, "a"), result(1, {"a": 2}, "a"))
    assert night.to_replay() == [("a", 1), ("a", 2)]


def test_nothing_is_sent_twice(journal: Journal) -> None:
    first = Night(journal, 1).record(result(0, {"a": 1, "b": 2}, "ab"))
    Night(journal, 2).record(result(0, {"a": 1, "b": 2}))  # a replay, as the journal sees it
    assert first.to_replay() == []


def test_lines_that_were_never_committed_do_not_count(journal: Journal) -> None:
    night = Night(journal, 1).record(result(0, {"a": 1}, "a"))
    path = journal.run_dir(night.run.id) / REJECTED
    [_, line] = reject_lines(result(1, {"a": 2}, "a"))
    path.write_bytes(path.read_bytes() + line + b'\n{"id":"torn","da')
    assert night.to_replay() == [("a", 1)]


def test_a_damaged_line_is_one_clear_error(tmp_path: Path) -> None:
    path = tmp_path / REJECTED
    content = b"".join(line + b"\n" for line in reject_lines(result(0, {"a": 1}, "a"))) + b"{oops}\n"
    path.write_bytes(content)
    undelivered = Undelivered("camp", len(content), {("camp", id_digest("a")): 0})
    with pytest.raises(SourceUntrusted, match="row 3: not a line of a reject file"):
        sent(RejectFile(path, undelivered, 2, NoProgress()))


def test_values_keep_their_bytes(tmp_path: Path) -> None:
    path = tmp_path / REJECTED
    line = rb'{"id":"a","data":{"x":1.10,"y":[1e999],"z":"\u00e9\/"},"outcome":"rejected","reason":"?"}' + b"\n"
    path.write_bytes(line)
    undelivered = Undelivered("camp", len(line), {("camp", id_digest("a")): 0})
    [block] = [each for each in RejectFile(path, undelivered, 2, NoProgress()).blocks() if each.ids]
    assert block.lines == rb'{"id":"a","data":{"x":1.10,"y":[1e999],"z":"\u00e9\/"}}'


@pytest.mark.parametrize(
    ("run_id", "campaign_id", "said"),
    [
        (None, "another", "no run to replay"),
        ("run-1", "another", "was for campaign camp"),
        ("run-7", "camp", "no run run-7"),
        ("../run-1", "camp", "no run"),
    ],
)
async def test_what_cannot_be_replayed_is_said_before_anything_is_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run_id: str | None, campaign_id: str, said: str
) -> None:
    journal = SqliteJournal(tmp_path / "state")
    Night(journal, 1).record(result(0, {"a": 1}, "a"))
    journal.close()
    monkeypatch.setenv("TIMEPAY_TOKEN", "token")
    settings = from_tables(
        {
            "api": {"url": "http://127.0.0.1:9", "campaign_id": campaign_id},
            "source": {"path": "none.ndjson"},
            "state": {"dir": str(tmp_path / "state")},
        }
    )
    with pytest.raises(ConfigError, match=said) as caught:
        await replay(settings, run_id, config_path="my config.toml")
    if run_id == "run-7":
        assert str(caught.value).endswith("status -c 'my config.toml'"), "the command works as it is printed"
