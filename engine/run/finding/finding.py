"""Did loan X arrive? What the state directory and today's source say of single ids, and what that comes to.

What is not proven is told as not known. With `[route]`, the same id in two campaigns is two records, each told alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from engine.outlets import NoProgress, ProgressDisplay
from engine.run.finding.found import Found, InSource
from engine.run.finding.in_source import Met, Survey, survey_source
from engine.run.finding.judging import Evidence, judge
from engine.run.finding.kept import Kept, kept_of
from engine.run.finding.kept_of_campaign import KeptOfCampaign
from engine.run.finding.proofs import Proofs, TodaysSource
from engine.run.finding.ranking import most_telling_first
from engine.run.finding.rows_of_campaigns import NOWHERE
from engine.settings import Settings


def find(
    settings: Settings, ids: Sequence[str], *, reads_source: bool = True, display: ProgressDisplay | None = None
) -> list[Found]:
    """Return what is known of each of these ids, all different, in their order.

    Where several campaigns know an id, each of them is told, and first of all one where today's source holds it.

    Raises:
        StateFailed: the journal or a file beside it can't be read.
    """
    with kept_of(settings, ids) as kept:
        survey = Survey(problem="today's source was not read (--no-source)")
        if reads_source:
            survey = survey_source(settings, ids, kept.key_of, display or NoProgress())
        look = _Look(kept, survey, TodaysSource(settings, survey))
        return [look.at(record_id) for record_id in ids]


class _Look:
    """All that is known of all ids."""

    def __init__(self, kept: Kept, survey: Survey, source: TodaysSource) -> None:
        self._kept, self._survey, self._source = kept, survey, source
        self._proofs: dict[str, Proofs] = {}

    def at(self, record_id: str) -> Found:
        """Return what is known of an id, in all campaigns that are asked about."""
        kept, met = self._kept, self._survey.met.get(record_id, {})
        if kept.campaign_id:
            return self._found(record_id, kept.campaign_id, met.get(kept.campaign_id))
        every = dict.fromkeys([*met, *kept.knowing(record_id)])
        nowhere = met.get(NOWHERE)
        found = [self._found(record_id, each, met.get(each), nowhere) for each in every]
        known = [each for each in found if each.is_known]
        if not known:
            return self._found(record_id, NOWHERE, None)
        first, *others = most_telling_first(
            known,
            held={each.campaign_id for each in known if (each.campaign_id or NOWHERE) in met},
            acknowledged={each: kept.of(each).acknowledged_by(record_id) for each in every},
        )
        first.campaigns = [first, *others] if others else []
        return first

    def _found(self, record_id: str, campaign_id: str, own: Met | None, nowhere: Met | None = None) -> Found:
        """Return what is known in a campaign.

        Of which campaign a row is that is for none, nobody can say: so it is looked at wherever there is no `own` one.
        """
        kept, survey, met = self._kept.of(campaign_id), self._survey, own or nowhere
        found = Found(
            id=record_id,
            campaign_id=campaign_id or None,
            ledger=kept.in_ledger(record_id),
            not_accepted=kept.not_accepted.get(record_id, []),
            gone=kept.gone.get(record_id, []),
            source_read=not survey.problem,
            notes=[*self._kept.problems, *([survey.problem] if survey.problem else [])],
        )
        if met is not None:
            found.source = self._in_source(record_id, campaign_id, met)
            if met.record is not None and not found.source.sent:
                found.notes += self._proofs_of(campaign_id).why_not()
        elsewhere = [each for each in survey.met.get(record_id, {}) if each not in (campaign_id, NOWHERE)]
        found.answer, doubts = judge(found, _evidence(record_id, kept, met, elsewhere))
        found.notes += doubts
        return found

    def _in_source(self, record_id: str, campaign_id: str, met: Met) -> InSource:
        proofs = self._proofs_of(campaign_id)
        return InSource(
            count=met.count,
            rows=met.rows,
            same_values=None if self._survey.problem else proofs.same_values(record_id, met),
            sent=proofs.sent(record_id, met.record) if met.record is not None else [],
        )

    def _proofs_of(self, campaign_id: str) -> Proofs:
        if campaign_id not in self._proofs:
            self._proofs[campaign_id] = Proofs(self._kept.of(campaign_id), self._source)
        return self._proofs[campaign_id]


def _evidence(record_id: str, kept: KeptOfCampaign, met: Met | None, elsewhere: Sequence[str]) -> Evidence:
    return Evidence(
        numbers=kept.numbers,
        doubt_since=kept.doubt_since,
        sent_blindly_since=partial(kept.doubt_since, blind_only=True),
        syncs_since=kept.syncs_since,
        acknowledged_by=kept.acknowledged_by(record_id),
        waits_for=[each for each in kept.waits.get(record_id, ()) if each in kept.numbers],
        has_record=met is not None and met.record is not None,
        last_state=met.rows[-1].state if met is not None else "",
        elsewhere=elsewhere,
    )
