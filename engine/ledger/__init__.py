"""What the API last acknowledged of each record, so that only what has changed is sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.values import lazy_face

if TYPE_CHECKING:
    from engine.ledger.changes import (
        Acknowledged,
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
    from engine.ledger.erasing import write_ids_without
    from engine.ledger.ids import pack_ids_of_lines
    from engine.ledger.lines import pick_lines
    from engine.ledger.lookup import KeysBefore, Seen, came_before, digests_of_entries, find, find_ids
    from engine.ledger.merging import Completed, Merged, merge
    from engine.ledger.tallying import tally
else:
    __getattr__ = lazy_face(__name__)
