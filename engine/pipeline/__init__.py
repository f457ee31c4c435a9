"""The stages, and how they are wired: read `pipeline.py` first."""

from typing import TYPE_CHECKING

from engine.values import lazy_face

if TYPE_CHECKING:
    from engine.pipeline.accounts import Accounts, CampaignAccounts
    from engine.pipeline.late_copies import ALL_SEQS, LateCopies
    from engine.pipeline.pipeline import run_pipeline
    from engine.pipeline.refused_campaigns import RefusedCampaigns
    from engine.pipeline.sending import Attempt
    from engine.pipeline.traffic import Traffic
else:
    __getattr__ = lazy_face(__name__)
