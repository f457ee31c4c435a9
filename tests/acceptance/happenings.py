"""What may happen to a history: between its nights, and in them. Each is a function that takes the history."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import replace
from subprocess import TimeoutExpired

from engine.values.errors import ConfigError
from tests.acceptance.engine_process import WAIT_S
from tests.acceptance.history import Feed, History, Plan
from tests.acceptance.meddling import at_day
from tests.acceptance.nights import lines_of, night, pushed, server_has

WAIT_FOR_REQUESTS_S = 2.0
"""How long to wait for a request that need not come."""


def live_on(history: History) -> None:
    """Let something happen, or nothing, and then a night."""
    dice = history.dice
    feed = dice.choice(history.feeds)
    between = dice.choice(BETWEEN)
    print(f"day {history.day}, campaign {feed.lender.campaign}: {between.__name__}")
    between(history, feed)
    if history.clock_moves:
        history.day += dice.choice([0.0, 1.0, 3.0])
        at_day(history.engine, history.day)
    troubles = [*TROUBLES, *([] if history.clock_moves else LATE_TROUBLES)]
    trouble = no_trouble if dice.random() < (0.6 if feed.upset else 0.2) else dice.choice(troubles)
    plan = planned(history, feed)
    print(f"  {trouble.__name__}, {'off' if plan.off else 'on'}, {plan.arguments}, {len(plan.export.rows)} rows")
    trouble(history, plan)


def planned(history: History, feed: Feed) -> Plan:
    """Return the next night: the one that was cut goes on, or there is another export."""
    dice = history.dice
    same = not feed.remapped and all(cut.feed is feed and cut.is_usual for cut in history.cut)
    if history.cut and same and dice.random() < 0.6:
        return replace(history.cut[-1], arguments=(), continued=True)
    feed.lender.live_a_day(back=dice.random() < (0.7 if feed.upset else 0.1))
    export = feed.lender.export()
    limit = str(max(1, len(export.rows) // dice.choice([2, 3, 10])))
    arguments = dice.choice([(), (), (), (), ("--full",), ("--fresh",), ("--limit", limit)])
    return Plan(feed, export, arguments, off=dice.random() < 0.1)


def end(history: History) -> None:
    """Assert that in the end all is well, and that then nothing is sent any more."""
    for feed in history.feeds:
        feed.lender.live_a_day(back=True)
        plan = Plan(feed, feed.lender.flawless_export())
        assert history.run(plan, clean=True).exit_code == 0
        again = history.run(plan, clean=True)
        assert (again.exit_code, again.requests) == (0, 0)


# Between two nights


def nothing(history: History, feed: Feed) -> None:
    """Most nights follow each other."""


def a_push(history: History, feed: Feed) -> None:
    """The library sends other values of some loans; it may not while a night waits to be continued."""
    part = feed.lender.part(5).latest
    history.configure(feed)
    if history.cut:
        with suppress(ConfigError):
            pushed(history.engine, part.items(), feed.lender.campaign)
    else:
        pushed(history.engine, part.items(), feed.lender.campaign)
        assert server_has(history.engine, part)
    feed.beliefs.doubt({*feed.beliefs.entries, *part})
    feed.beliefs.perhaps_known |= part.keys()
    feed.upset, feed.must_be_full = True, False


def a_replay(history: History, feed: Feed) -> None:
    """What the latest night could not deliver is sent again, unless a night waits to be continued."""
    if history.latest is None:
        return
    feed, done = history.latest
    history.configure(feed)
    replayed = night(history.engine, None, done.report["run_id"], command="replay")
    assert replayed.exit_code in ((0, 2, 3) if history.cut else (0, 3)), replayed.outcome.err
    lines = lines_of(history.engine, done.report["run_id"], "rejected.ndjson")
    ids = {str(line["id"]) for line in lines if line.get("id")}
    feed.beliefs.doubt({*feed.beliefs.entries, *ids})
    feed.beliefs.perhaps_known |= ids
    feed.must_be_full = False


def a_feed_of_changes(history: History, feed: Feed) -> None:
    """Another feed of the same campaign brings other values of some loans, and loans of its own."""
    if history.cut:
        return
    part, suffix = feed.lender.part(5), feed.lender.form
    feed.lender.write(history.engine.home / f"part.{suffix}", part)
    history.configure(feed, path=f"part.{suffix}", holds="changes")
    sent = feed.beliefs.must_send(part, history.day)
    done = night(history.engine)
    assert (done.exit_code, done.report["gone"]["found"]) == (0, 0), done.outcome.err
    assert server_has(history.engine, part.latest)
    feed.beliefs.partly_finished(part, sent, set(), history.day)
    feed.must_be_full = False


def damage(history: History, feed: Feed) -> None:
    """The files of the ledger are lost, cut, or have a bit flipped."""
    how = history.dice.choice(["lost", "cut", "flipped"])
    for path, content in history.ledger().items():
        if how == "lost" or not content:
            path.unlink()
        elif how == "cut":
            path.write_bytes(content[: history.dice.randrange(len(content))])
        else:
            place, bit = history.dice.randrange(len(content)), 1 << history.dice.randrange(8)
            path.write_bytes(content[:place] + bytes([content[place] ^ bit]) + content[place + 1 :])
    _all_must_be_full(history)


def a_backup(history: History, feed: Feed) -> None:
    """Somebody keeps a copy of the ledger."""
    history.backups.append(history.ledger())


def a_restored_backup(history: History, feed: Feed) -> None:
    """The ledger alone is put back as it was some nights ago."""
    if not history.backups:
        return
    backup, present = history.dice.choice(history.backups), history.ledger()
    if backup == present:
        return
    for path in present.keys() - backup.keys():
        path.unlink()
    for path, content in backup.items():
        path.write_bytes(content)
    _all_must_be_full(history)


def _all_must_be_full(history: History) -> None:
    for each in history.feeds:
        each.must_be_full = each.beliefs.judges and bool(history.ledger() or each.beliefs.known)
        each.lost_on_the_way = bool(history.cut)
        each.beliefs.damaged()


def forgetting(history: History, feed: Feed) -> None:
    """Somebody lets the ledger forget some ids, in all campaigns."""
    ids = feed.lender.some(3)
    done = history.engine.run("ledger", "forget", *ids)
    if "no ledger" in done.err:  # before the first night there is nothing to forget
        return
    assert done.exit_code == 0, done.err
    for each in history.feeds:
        each.beliefs.forgotten(ids)


def another_mapping(history: History, feed: Feed) -> None:
    """The mapping adds a field, sends nulls, or does neither any more."""
    if feed.lender.change_mapping():
        feed.beliefs.remapped()
        feed.remapped = True


BETWEEN = [
    *([nothing] * 6),
    *(a_push, a_push, a_replay, a_feed_of_changes, forgetting, another_mapping),
    *(damage, a_backup, a_restored_backup),
]

# In a night


def no_trouble(history: History, plan: Plan) -> None:
    """All goes well."""
    history.run(plan, clean=True)


def refusals(history: History, plan: Plan) -> None:
    """The API refuses some records, and perhaps some constants."""
    ids = [*sorted(plan.export.latest), *sorted(plan.feed.beliefs.may_be_gone(plan.export))]
    refused = history.dice.sample(ids, min(len(ids), history.dice.choice([1, 5])))
    history.run(replace(plan, refused=plan.refused | set(refused)), clean=True)


def lost_replies(history: History, plan: Plan) -> None:
    """Some replies are lost after the API has applied the request."""
    history.engine.server.change(fault=["reset-after-apply:0.3", "503:0.1"])
    history.run(plan)


def an_outage(history: History, plan: Plan) -> None:
    """After some requests nothing works any more, and nobody waits for it."""
    history.engine.server.change(fault=[f"503:after={history.dice.choice([1, 2, 5])}"])
    history.engine.configure(upload={"retry_window_s": 0.0})
    history.run(plan)
    history.engine.configure(upload={"retry_window_s": 60.0})


def a_kill_at_a_request(history: History, plan: Plan) -> None:
    """The process is killed while requests are open, applied or not."""
    server, dice = history.engine.server, history.dice
    history.prepare(plan)
    let_through = dice.choice([0, 1, 3])
    server.change(hold=dice.choice(["before-apply", "before-reply"]))
    process = history.engine.start("sync", *plan.arguments)
    ends_at = time.monotonic() + WAIT_FOR_REQUESTS_S
    with suppress(TimeoutError):
        while let_through:
            server.wait(ends_at - time.monotonic(), held=1)
            let_through -= server.release(let_through)
        server.wait(ends_at - time.monotonic(), held=1)
    process.kill()
    process.communicate()
    server.change(hold="nothing", reject=[])
    server.wait(answered=server.stats()["requests"])
    history.was_cut(plan)


def a_kill_at_any_time(history: History, plan: Plan) -> None:
    """The process is killed, perhaps while it starts, reads, or merges."""
    history.prepare(plan)
    process = history.engine.start("sync", *plan.arguments)
    with suppress(TimeoutExpired):
        process.communicate(timeout=history.dice.uniform(0.1, 1.2))
    process.kill()
    process.communicate(timeout=WAIT_S)
    server = history.engine.server
    server.wait(answered=server.stats()["requests"])
    history.was_cut(plan)


def a_late_copy(history: History, plan: Plan) -> None:
    """A gateway gives up on a request, and the API applies it later."""
    history.engine.server.change(fault=["504-late:first=1"], late_s=0.3)
    history.run(plan)


def a_kill_before_a_late_copy(history: History, plan: Plan) -> None:
    """The process is killed after a gateway has given up on a request, and the API applies it later."""
    server = history.engine.server
    server.change(fault=["504-late:first=2"], late_s=0.3)
    history.prepare(plan)
    answered = server.stats()["answered"]
    process = history.engine.start("sync", *plan.arguments)
    with suppress(TimeoutError):
        server.wait(WAIT_FOR_REQUESTS_S, answered=answered + 1)
    process.kill()
    process.communicate()
    server.change(fault=[], reject=[])
    history.was_cut(plan)


TROUBLES = [
    *(refusals, lost_replies, an_outage),
    *(a_kill_at_a_request, a_kill_at_a_request, a_kill_at_any_time),
]
LATE_TROUBLES = [a_late_copy, a_kill_before_a_late_copy]
