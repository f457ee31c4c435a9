"""What the API last acknowledged of each record, so that only what has changed is sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.values import lazy_face

if TYPE_CHECKING:
    from engine.ledger.digests import keys_and_digests
else:
    __getattr__ = lazy_face(__name__)
