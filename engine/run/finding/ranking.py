"""Of which campaign is told first, where several know an id. Pure.

An id has arrived only if it has in every campaign where today's source holds it: so of these, the one in the worst
state is the first. Where none holds it, it is the one that has acknowledged it last.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from engine.run.finding.found import Answer, Found
from engine.run.finding.rows_of_campaigns import NOWHERE

WORST_FIRST = (
    Answer.NOT_ACCEPTED,
    Answer.NOT_SENT,
    Answer.UNPROVEN,
    Answer.CHANGED_SINCE,
    Answer.GONE,
    Answer.ACKNOWLEDGED,
    Answer.ARRIVED,
    Answer.UNKNOWN,
)


def most_telling_first(
    known: Sequence[Found], held: Collection[str | None], acknowledged: Mapping[str, int]
) -> list[Found]:
    """Return what is known in several campaigns, in the order in which it is told.

    Args:
        known: What is known, by campaigns.
        held: The campaigns where today's source holds the id, in whatever rows.
        acknowledged: The numbers of the runs by which campaigns have acknowledged it last; 0 if they never did.
    """

    def rank(found: Found) -> tuple[bool, int, int, str]:
        is_held = found.campaign_id in held and not _is_left_out(found)
        worst = WORST_FIRST.index(found.answer) if is_held else 0
        return not is_held, worst, -acknowledged.get(found.campaign_id or NOWHERE, 0), found.campaign_id or "\U0010ffff"

    return sorted(known, key=rank)


def _is_left_out(found: Found) -> bool:
    """Whether its last row is left out on purpose."""
    return found.source is not None and found.source.rows[-1].state == "filtered"
