"""A state directory and its stand-in through many nights, and what is asserted after each."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import ceil
from pathlib import Path
from random import Random
from typing import Any

from tests.acceptance.beliefs import FULL_EVERY_DAYS, Beliefs
from tests.acceptance.engine_process import Engine
from tests.acceptance.lender import FORMS, Export, Form, Lender
from tests.acceptance.nights import Night, gone_ids, held, lines_of, night, server_has, texts

SIZES = {10: 60, 50: 300, 250: 2_500}
"""Records of a portfolio, by the records of a request."""


@dataclass
class Feed:
    """A campaign of the history: who exports for it, and what its part of the ledger must hold."""

    lender: Lender
    closes: bool
    """Whether gone loans get constants; else they are only reported."""
    beliefs: Beliefs = field(default_factory=Beliefs)
    upset: bool = False
    """Whether since the last complete night others were cut, or sent what the ledger does not know."""
    remapped: bool = False
    """Whether its mapping is another one than in its last night."""
    must_be_full: bool = False
    """Whether the next night must say that it is a full send: its ledger was lost."""
    lost_on_the_way: bool = False
    """Whether its ledger was lost after a night had been cut that may still be continued."""

    @property
    def constants(self) -> dict[str, str]:
        return {self.lender.status: "closed"}


@dataclass(frozen=True)
class Plan:
    """A night to come."""

    feed: Feed
    export: Export
    arguments: tuple[str, ...] = ()
    off: bool = False
    refused: frozenset[str] = frozenset()
    """The ids that the API refuses."""
    continued: bool = False

    @property
    def is_usual(self) -> bool:
        """Whether its settings are those of most nights."""
        return not self.off and self.arguments in ((), ("--fresh",))

    @property
    def limited(self) -> bool:
        return "--limit" in self.arguments

    @property
    def may_close(self) -> bool:
        return self.feed.closes and not (self.off or self.limited or self.export.unreadable)


class History:
    """Every choice is made by the dice of the seed; what happens is printed as it happens."""

    def __init__(self, engine: Engine, seed: int) -> None:
        self.engine, self.dice = engine, Random(seed)
        self.chunk = self.dice.choice(list(SIZES))
        names = self.dice.choice(["a", "a", "ab"])
        self.feeds = [self._feed(name) for name in names]
        self.clock_moves = self.dice.random() < 0.5
        self.day = 0.0
        self.cut: list[Plan] = []
        """The nights that were cut since one has finished: one of them waits to be continued."""
        self.latest: tuple[Feed, Night] | None = None
        """The latest night that has finished."""
        self.backups: list[dict[Path, bytes]] = []
        engine.configure(
            upload={"batch_size": self.chunk, "concurrency": 3, "late_copy_s": 1.5},  # copies land within 0.3 s
            guard={"max_gone": "100%", "max_rejected": "100%", "max_invalid": "100%"},
            state={"resume_within": "0s"},
        )

    def _feed(self, name: str) -> Feed:
        form: Form = self.dice.choice(FORMS)
        return Feed(Lender(self.dice, name, form, SIZES[self.chunk]), closes=self.dice.random() < 0.5)

    def ledger(self) -> dict[Path, bytes]:
        """Return the files of the ledger."""
        paths = (self.engine.home / "engine-state").rglob("*ledger*")
        return {path: path.read_bytes() for path in paths if path.is_file()}

    def configure(self, feed: Feed, *, off: bool = False, **source: Any) -> None:
        """Let the next command be one for this feed, reading what its lender exports, or something else."""
        delta = {"mode": "off" if off else "changed", "gone": feed.constants if feed.closes else "report"}
        if self.clock_moves:
            delta["full_every"] = f"{FULL_EVERY_DAYS * 24:.0f}h"
        self.engine.server.change(campaign=feed.lender.campaign)
        self.engine.tables |= {"source": feed.lender.source | source, "delta": delta}
        self.engine.configure(api={"campaign_id": feed.lender.campaign})

    def prepare(self, plan: Plan) -> None:
        """Write the export and the configuration of a night."""
        lender = plan.feed.lender
        lender.write(self.engine.home / lender.source["path"], plan.export)
        self.configure(plan.feed, off=plan.off)
        plan.feed.remapped = False
        if plan.may_close:
            plan.feed.beliefs.may_be_closed |= plan.feed.beliefs.may_be_gone(plan.export)
        self.engine.server.change(reject=sorted(plan.refused))

    def run(self, plan: Plan, *, clean: bool = False) -> Night:
        """Let a night run to its end, and check it. A `clean` one meets no fault, so that its requests are known."""
        self.prepare(plan)
        done = night(self.engine, None, *plan.arguments)
        self.engine.server.change(fault=[], reject=[])
        print(f"    exit {done.exit_code}, {done.requests} requests, {done.outcome.out and done.counts}")
        assert done.exit_code in (0, 3, 75), done.outcome.err
        if done.exit_code == 75:
            assert not clean, done.outcome.err
            self.was_cut(plan)
        else:
            self._has_finished(plan, done, clean=clean)
        return done

    def was_cut(self, plan: Plan) -> None:
        """Take in that a night did not finish, and check that nobody was closed who is not gone."""
        if plan.off:
            plan.feed.beliefs.doubt()
        plan.feed.beliefs.unfinished(plan.export, self.day)
        plan.feed.upset, plan.feed.must_be_full = True, False
        self._check_closed(plan)
        self.cut.append(plan)

    def _has_finished(self, plan: Plan, done: Night, *, clean: bool) -> None:
        feed, export, beliefs = plan.feed, self._read_of(plan), plan.feed.beliefs
        lines = lines_of(self.engine, done.report["run_id"], "rejected.ndjson")
        refused = {str(line["id"]) for line in lines if line.get("id")}
        assert refused <= plan.refused | export.invalid, refused
        assert server_has(self.engine, export.latest, but=refused), self._wrong(export, refused)
        self._check_closed(plan)
        clean = clean and not plan.continued and not plan.off
        sent = set(export.latest) if plan.off or "--full" in plan.arguments else beliefs.must_send(export, self.day)
        if clean:
            self._check_requests(replace(plan, export=export), done, sent)
        told: set[str] = set()
        if not plan.off and not plan.limited:
            told = self._check_gone(plan, done, clean=clean)
        if plan.off and not plan.limited:
            beliefs.finished_without_delta(export, refused)
        elif plan.off:
            beliefs.doubt({*beliefs.entries, *export.latest})
        elif plan.limited:
            beliefs.partly_finished(export, sent, refused, self.day)
        else:
            beliefs.finished(export, sent, refused, told, self.day)
            if plan.continued and feed.lost_on_the_way:
                beliefs.damaged_on_the_way()
            feed.lender.remember()
        feed.upset = plan.off or (feed.upset and plan.limited)
        feed.must_be_full = feed.must_be_full and plan.off
        self.cut, self.latest = [], (feed, done)
        for each in self.feeds:
            each.lost_on_the_way = False

    @staticmethod
    def _read_of(plan: Plan) -> Export:
        """Return what of the export is read."""
        return Export(plan.export.rows[: int(plan.arguments[1])]) if plan.limited else plan.export

    def _check_closed(self, plan: Plan) -> None:
        constants = texts(plan.feed.constants).items()
        closed = {id_ for id_, data in held(self.engine).items() if data.items() >= constants}
        assert closed <= plan.feed.beliefs.may_be_closed, closed - plan.feed.beliefs.may_be_closed

    def _check_requests(self, plan: Plan, done: Night, sent: set[str]) -> None:
        """Assert that no more was sent than had to be, and that a full send says so."""
        beliefs, export = plan.feed.beliefs, plan.export
        if plan.feed.must_be_full and not beliefs.uncertain:
            assert done.delta["full"] is True
            assert done.delta["full_reason"]
        if export.repeated:
            return
        may = beliefs.may_send(export, self.day) - sent
        unchanged = done.counts.get("unchanged", 0)
        assert len(export.latest) - len(sent | may) <= unchanged <= len(export.latest) - len(sent), (
            f"{unchanged} of {len(export.latest)} unchanged, {len(sent)} had to be sent and {len(may)} could be"
        )
        gone = beliefs.may_be_gone(export) if plan.may_close else set()
        assert done.requests <= ceil(len(sent | may) / self.chunk) + ceil(len(gone) / self.chunk), (
            f"{done.requests} requests for {len(sent | may)} records and {len(gone)} gone ones"
        )

    def _check_gone(self, plan: Plan, done: Night, *, clean: bool) -> set[str]:
        """Assert that exactly the gone ones are listed; return those that were told."""
        beliefs, gone = plan.feed.beliefs, done.report["gone"]
        listed = set(gone_ids(self.engine, done))
        assert len(listed) == gone["found"]
        assert listed <= beliefs.may_be_gone(plan.export), listed - beliefs.may_be_gone(plan.export)
        lines = lines_of(self.engine, done.report["run_id"], "gone.ndjson")
        told = {str(line["id"]) for line in lines if line.get("outcome") == "updated"}
        assert len(told) == gone["updated"]
        if not plan.may_close:
            assert not told
        if plan.feed.closes and plan.export.unreadable and listed:
            assert gone["skipped"]
        if beliefs.judges:
            assert beliefs.must_be_gone(plan.export) <= listed, beliefs.must_be_gone(plan.export) - listed
            assert gone["skipped"] is None or plan.export.unreadable
            assert not plan.may_close or not clean or listed - told <= plan.refused
        return told

    def _wrong(self, export: Export, refused: set[str]) -> str:
        """Say what the server does not have, for whoever reads the failure."""
        on_server = held(self.engine)
        wrong = {
            id_: (texts(data), on_server.get(id_))
            for id_, data in export.latest.items()
            if id_ not in refused and not on_server.get(id_, {}).items() >= texts(data).items()
        }
        return f"{len(wrong)} ids are wrong, (wanted, on the server): {dict(list(wrong.items())[:3])}"
