"""What survives a crash: the journal of all runs, the reject files, the lock."""

from typing import TYPE_CHECKING

from engine.values import lazy_face

if TYPE_CHECKING:
    from engine.state.campaign_rows import CampaignRow
    from engine.state.chunk_rows import ChunkRow, ChunkRows
    from engine.state.copying import demand_journal, journal_copy
    from engine.state.id_lines import lines_of_ids
    from engine.state.journal import Journal, LedgerChanges, Run, Undelivered, id_digest
    from engine.state.late_copies import Left
    from engine.state.ledger_rows import Feed, LedgerRow
    from engine.state.private_files import make_private_dir, write_private_file, write_private_pieces
    from engine.state.rejected_csv import REJECTED_CSV, write_rejected_csv
    from engine.state.rejects import REJECTED, add_reason
    from engine.state.sqlite_journal import SqliteJournal
    from engine.state.state_dir import DATABASE, LOCK, RUNS, is_locked, translated
    from engine.state.thread import OwnThread
else:
    __getattr__ = lazy_face(__name__)
