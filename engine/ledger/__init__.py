"""What the API last acknowledged of each record, so that only what has changed is sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.values import lazy_face

if TYPE_CHECKING:
    from engine.ledger.changes import (
        Change,
        Voided,
        VoidedAll,
        acknowledged,
        decode_change,
        encode_change,
        keys_of,
        removed,
    )
    from engine.ledger.columns import Columns, Header, NotTheLedger, Tag, delete_files, open_columns, verify
    from engine.ledger.digests import keys_and_digests
    from engine.ledger.lookup import KeysBefore, Seen, find
    from engine.ledger.merging import Completed, Merged, merge
else:
    __getattr__ = lazy_face(__name__)
