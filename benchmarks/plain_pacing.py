"""The engine with a plain limiter instead of the learned one: `python -m benchmarks.plain_pacing sync -c FILE`.

What the two achieve against the same server says what learning buys.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any


def replace_learned_pacing() -> None:
    """Make whoever asks for a `Pacer` in this process get an `Aimd`, wherever that is."""
    from benchmarks.aimd import Aimd
    from engine.pacing.learned.pacer import Pacer

    def plain(
        _: type[Pacer], *, requests_per_second: float, concurrency: int, learned: Mapping[str, Any] | None = None
    ) -> Aimd:
        return Aimd(requests_per_second=requests_per_second, concurrency=concurrency, learned=learned)

    Pacer.__new__ = plain  # type: ignore[method-assign, assignment]  # no setting: no user should want it


if __name__ == "__main__":
    from engine.__main__ import main

    replace_learned_pacing()
    sys.exit(main(sys.argv[1:]))
