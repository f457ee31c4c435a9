"""How one run begins, goes on and ends."""

from typing import TYPE_CHECKING

from engine.values import lazy_face

if TYPE_CHECKING:
    from engine.run.alerting import alert_test, prove_addresses
    from engine.run.announce import announce_no_run
    from engine.run.early import early_reader
    from engine.run.finding.finding import find
    from engine.run.finding.found import Answer, Found
    from engine.run.forgetting import Forgotten, forget_campaigns, forget_ids
    from engine.run.guards import GuardWords, InvalidGuard, check_age, check_size
    from engine.run.job import campaign_ids_of, endpoint_of, identity_of, reading_of, source_identity_of
    from engine.run.jobs.push import push
    from engine.run.jobs.replay import replay
    from engine.run.jobs.sync import NextSync, next_sync, sync, waiting_sync
    from engine.run.ledger_facts import LedgerFacts, ledger_for, ledgers_in
    from engine.run.night_list import all_nights
    from engine.run.partitioned.gathering import Gathering, begin_gathering
    from engine.run.partitioned.parts import Part
    from engine.run.previewing import Preview, preview
    from engine.run.spooled import LOOKED_AT_ROWS, asked_of, reading_for_a_look
    from engine.run.superseded import SupersededGuard
else:
    __getattr__ = lazy_face(__name__)
