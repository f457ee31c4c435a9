"""What all that is known of an id comes to. Pure.

Events are ordered by the numbers of their runs, which ascend. "Arrived" is said only where it is proven that today's
values were acknowledged, and that nothing else can have left for the id since; what is in doubt gets its doubt said.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from engine.report import shown
from engine.run.finding.found import Answer, Found, NotAccepted
from engine.values import Outcome

UPDATED, UNCHANGED, EITHER, UNPROVEN = "updated", "unchanged", "updated or unchanged", "unproven"
ARRIVED = (UPDATED, UNCHANGED, EITHER)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known beside what is told: in which order runs were made, and which of them may matter.

    `later` returns the numbers of the known runs of the campaign that follow a run, `doubt_since` says what may have
    happened to any id since a run, an empty text if that is nothing.
    """

    numbers: Mapping[str, int]
    """Of the runs, by their ids."""
    doubt_since: Callable[[int], str]
    sent_blindly_since: Callable[[int], str]
    """As `doubt_since`, but only for runs that leave no trace in a ledger."""
    syncs_since: Callable[[int], int]
    """How many runs have read a source since a run."""
    acknowledged_by: int = 0
    """The run of the ledger's entry."""
    waits_for: Sequence[str] = ()
    """The ids of the runs that could not deliver it, and nobody has since."""
    has_record: bool = False
    """Whether the source holds a record of it."""
    last_state: str = ""
    """Of the last row in the source: `record`, `invalid`, `filtered`; empty without one."""
    elsewhere: Sequence[str] = ()
    """The other campaigns under which the source holds it."""


def judge(found: Found, known: Evidence) -> tuple[Answer, list[str]]:
    """Return the answer, and what is in doubt about it."""
    if known.last_state == Outcome.INVALID:
        return Answer.NOT_ACCEPTED, ["its last row in the source is invalid, so that one was not sent"]
    if found.ledger is not None and found.ledger.is_proven:
        return _acknowledged(found, known)
    return _not_in_ledger(found, known)


def _acknowledged(found: Found, known: Evidence) -> tuple[Answer, list[str]]:
    """Judge an id of which the ledger knows that nothing has left since it was acknowledged."""
    source = found.source
    if source is None or not known.has_record:
        return _acknowledged_and_nothing_today(found, known)
    if source.same_values is not None:
        return Answer.ARRIVED if source.same_values else Answer.CHANGED_SINCE, []
    if found.source_read and 0 < known.acknowledged_by <= _arrived_by(found, known):
        return Answer.ARRIVED, []
    return Answer.ACKNOWLEDGED, ["today's values cannot be compared with the acknowledged ones"]


def _acknowledged_and_nothing_today(found: Found, known: Evidence) -> tuple[Answer, list[str]]:
    if found.source is not None:
        return Answer.ACKNOWLEDGED, [f"{_left_out_by(found)} today"]
    if found.source_read:
        return Answer.ACKNOWLEDGED, _not_today(found, known)
    invalid = _latest(found.not_accepted, known)
    if invalid > known.acknowledged_by:
        if not known.syncs_since(invalid):
            return Answer.NOT_ACCEPTED, ["what was acknowledged is an earlier version of it"]
        return Answer.ACKNOWLEDGED, [f"{_NOT_THEN}; whether a later run has read it well, only the source can tell"]
    return Answer.ACKNOWLEDGED, []


def _not_in_ledger(found: Found, known: Evidence) -> tuple[Answer, list[str]]:
    """Judge an id that no ledger vouches for."""
    arrived, told_gone = _arrived_by(found, known), _told_gone_by(found, known)
    waits = max((known.numbers[each] for each in known.waits_for), default=0)
    if known.has_record and arrived > max(waits, told_gone):
        doubt = known.doubt_since(arrived)
        is_sure = found.source_read and not doubt
        return Answer.ARRIVED if is_sure else Answer.ACKNOWLEDGED, [doubt] if doubt else []
    if waits > told_gone:
        return Answer.NOT_ACCEPTED, []
    if not known.has_record and (_is_gone(found) or _has_moved(found, known) or told_gone):
        since = max(told_gone, max((known.numbers[each.run_id] for each in found.gone), default=0))
        doubt = known.sent_blindly_since(since)
        return Answer.GONE, [doubt] if doubt else []
    refused = [each for each in found.not_accepted if each.outcome != Outcome.INVALID]
    if found.ledger is None and _latest(refused, known) > told_gone:
        return Answer.ACKNOWLEDGED, [_DELIVERED_SINCE, *_not_today(found, known)]
    if found.ledger is not None:
        return Answer.UNPROVEN, _not_today(found, known)
    if known.has_record:
        return Answer.NOT_SENT, []
    if found.not_accepted:
        doubt = known.doubt_since(_latest(found.not_accepted, known))
        return Answer.NOT_ACCEPTED, [doubt] if doubt else []
    return Answer.NOT_SENT if found.source is not None else Answer.UNKNOWN, _hints(found)


_NOT_THEN = "it was not accepted in a run since then"
_DELIVERED_SINCE = "it was delivered since it was not accepted: by a later run, or by a later row of the same one"


def _not_today(found: Found, known: Evidence) -> list[str]:
    """Say that the source does not hold it, if it does not."""
    if not found.source_read or found.source is not None:
        return []
    where = f" for this campaign, but for {', '.join(map(shown, known.elsewhere))}" if known.elsewhere else ""
    return [f"today's source does not hold it{where}"]


def _left_out_by(found: Found) -> str:
    """Say why its last row is left out."""
    row = found.source.rows[-1] if found.source is not None else None
    return (row.reason if row is not None else None) or "source.where leaves it out"


def _is_gone(found: Found) -> bool:
    """Whether it was listed as gone, and nothing says that it has come back."""
    return bool(found.gone) if found.ledger is None else found.ledger.gone_since is not None


def _has_moved(found: Found, known: Evidence) -> bool:
    """Whether it was listed as moved since it was acknowledged. The ledger does not take it for gone then."""
    if found.source is not None or not found.gone or not found.gone[0].moved_to:
        return False
    return known.numbers[found.gone[0].run_id] > known.acknowledged_by


def _hints(found: Found) -> list[str]:
    if found.source is not None:
        return [f"{_left_out_by(found)}, so it is not sent"]
    if found.id != found.id.strip():
        return ["it begins or ends with a blank: ids are looked for exactly as they are given"]
    return []


def _arrived_by(found: Found, known: Evidence) -> int:
    """Return the number of the latest run that read what the source holds today, if it arrived by that; else 0."""
    sent = next(iter(found.source.sent), None) if found.source is not None else None
    return known.numbers[sent.run_id] if sent is not None and sent.outcome in ARRIVED else 0


def _told_gone_by(found: Found, known: Evidence) -> int:
    told = (known.numbers[each.run_id] for each in found.gone if each.outcome == UPDATED)
    return max(told, default=0)


def _latest(lines: Sequence[NotAccepted], known: Evidence) -> int:
    """Return the number of the latest run that has one of these lines; 0 without any."""
    return max((known.numbers[each.run_id] for each in lines), default=0)
