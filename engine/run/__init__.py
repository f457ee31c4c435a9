"""How one run begins, goes on and ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.values import lazy_face

if TYPE_CHECKING:
    from engine.run.announce import announce_no_run as announce_no_run
    from engine.run.job import endpoint_of as endpoint_of, reading_of as reading_of
    from engine.run.jobs.push import push as push
    from engine.run.jobs.replay import replay as replay
    from engine.run.jobs.sync import sync as sync
else:
    __getattr__ = lazy_face(
        __name__,
        {
            "announce": "announce_no_run",
            "job": "endpoint_of reading_of",
            "jobs.push": "push",
            "jobs.replay": "replay",
            "jobs.sync": "sync",
        },
    )
