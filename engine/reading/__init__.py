"""From a source to chunks, in a process of its own or in a thread of this one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.values import lazy_face

if TYPE_CHECKING:
    from engine.reading.comparing import Comparing, Presence, key_of_campaign
    from engine.reading.counting_ids import count_repeated
    from engine.reading.limit import first_records
    from engine.reading.plan import Cutting, Pass, PassHere, Reading
    from engine.reading.process import ReaderProcess
    from engine.reading.router import CAMPAIGNS_MAX, SKIPPED, Router
    from engine.reading.routing import Routing
    from engine.reading.spawned import SpawnedReader, pays
else:
    __getattr__ = lazy_face(__name__)
