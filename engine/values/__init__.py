"""What all stages pass on: records and chunks, counts, the reasons to stop, and the wish to."""

from typing import TYPE_CHECKING

from engine.values.faces import lazy_face as lazy_face

if TYPE_CHECKING:
    from engine.values.amounts import counted
    from engine.values.byte_shares import ByteShares
    from engine.values.counts import (
        EXAMPLE_IDS_MAX,
        IDS_COUNTED_EXACTLY,
        NOT_ACCEPTED,
        STATE_MEANINGS,
        ChunkCounts,
        Reason,
        RecordCounts,
        RequestCounts,
    )
    from engine.values.cutting import CUT, cut, cut_apart
    from engine.values.errors import (
        AccessRefused,
        AccountsDoNotBalance,
        CampaignMissing,
        ConfigError,
        EndpointUntrusted,
        EngineError,
        ExitCode,
        Interrupted,
        NotTheApi,
        SourceMissing,
        SourceUntrusted,
        StateFailed,
        StateLocked,
    )
    from engine.values.extensions import PURE_VARIABLE, load_extension
    from engine.values.extras import missing_extra
    from engine.values.invocation import module_again, program, program_again, python_path
    from engine.values.records import (
        CAMPAIGN_ID_BYTES_MAX,
        CHUNK_RECORDS_MAX,
        OPEN_CHUNKS,
        SEQ_BITS,
        Block,
        Chunk,
        ChunkResult,
        Entries,
        Failure,
        JoinedLines,
        LineIds,
        Outcome,
        Refusal,
        id_of_line,
    )
    from engine.values.spans import (
        Place,
        RowSpans,
        Span,
        SpanList,
        count_of,
        cut_spans,
        extend_spans,
        first_place,
        join_spans,
        last_place,
        place_of,
        places,
        split_at_row,
    )
    from engine.values.stopping import Stop
    from engine.values.unneeded import arrow_alone, leave_out_pandas
    from engine.values.version import VERSION
else:
    __getattr__ = lazy_face(__name__)
