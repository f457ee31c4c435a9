"""The hostile stand-in of the API: limits, latency, faults and rejections on demand."""

from typing import TYPE_CHECKING

from engine.values import lazy_face

if TYPE_CHECKING:
    from engine.simulator.command import add_arguments, run
    from engine.simulator.process import StandInProcess
else:
    __getattr__ = lazy_face(__name__)
