"""The stages, and how they are wired: read `pipeline.py` first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.values import lazy_face

if TYPE_CHECKING:
    from engine.pipeline.pipeline import run_pipeline as run_pipeline
    from engine.pipeline.producer import skip_done as skip_done
    from engine.pipeline.traffic import Traffic as Traffic
else:
    __getattr__ = lazy_face(
        __name__,
        {
            "pipeline": "run_pipeline",
            "producer": "skip_done",
            "traffic": "Traffic",
        },
    )
