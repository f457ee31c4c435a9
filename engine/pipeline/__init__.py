"""The stages, and how they are wired: read `pipeline.py` first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.values import lazy_face

if TYPE_CHECKING:
    from engine.pipeline.accounts import Accounts as Accounts
    from engine.pipeline.observed import Attempt as Attempt
    from engine.pipeline.pipeline import run_pipeline as run_pipeline
    from engine.pipeline.traffic import Traffic as Traffic
else:
    __getattr__ = lazy_face(
        __name__,
        {
            "accounts": "Accounts",
            "observed": "Attempt",
            "pipeline": "run_pipeline",
            "traffic": "Traffic",
        },
    )
