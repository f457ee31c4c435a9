"""What all stages pass on: records and chunks, counts, the reasons to stop, and the wish to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.values.faces import lazy_face as lazy_face

if TYPE_CHECKING:
    from engine.values.counts import (
        EXAMPLE_IDS_MAX as EXAMPLE_IDS_MAX,
        NOT_ACCEPTED as NOT_ACCEPTED,
        STATE_MEANINGS as STATE_MEANINGS,
        ChunkCounts as ChunkCounts,
        Reason as Reason,
        RecordCounts as RecordCounts,
        RequestCounts as RequestCounts,
    )
    from engine.values.errors import (
        AccessRefused as AccessRefused,
        AccountsDoNotBalance as AccountsDoNotBalance,
        ConfigError as ConfigError,
        EndpointUntrusted as EndpointUntrusted,
        EngineError as EngineError,
        ExitCode as ExitCode,
        Interrupted as Interrupted,
        SourceMissing as SourceMissing,
        SourceUntrusted as SourceUntrusted,
        StateFailed as StateFailed,
        StateLocked as StateLocked,
    )
    from engine.values.records import (
        CHUNK_RECORDS_MAX as CHUNK_RECORDS_MAX,
        Block as Block,
        Chunk as Chunk,
        ChunkResult as ChunkResult,
        Failure as Failure,
        LineIds as LineIds,
        Outcome as Outcome,
        Place as Place,
        Refusal as Refusal,
        Span as Span,
        cut_spans as cut_spans,
        join_spans as join_spans,
        place_of as place_of,
        places as places,
    )
    from engine.values.stopping import Stop as Stop
else:
    __getattr__ = lazy_face(
        __name__,
        {
            "counts": "ChunkCounts EXAMPLE_IDS_MAX NOT_ACCEPTED Reason RecordCounts RequestCounts STATE_MEANINGS",
            "errors": (
                "AccessRefused AccountsDoNotBalance ConfigError EndpointUntrusted EngineError ExitCode "
                "Interrupted SourceMissing SourceUntrusted StateFailed StateLocked"
            ),
            "records": (
                "Block CHUNK_RECORDS_MAX Chunk ChunkResult Failure LineIds Outcome Place Refusal Span "
                "cut_spans join_spans place_of places"
            ),
            "stopping": "Stop",
        },
    )
