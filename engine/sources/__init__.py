"""From files, tables and places to blocks of canonical lines; bad records are set aside with row and reason."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.values import lazy_face

if TYPE_CHECKING:
    from engine.sources.opened import Source as Source, open_source as open_source
    from engine.sources.pairs import PairsSource as PairsSource
    from engine.sources.spec import (
        STDIN as STDIN,
        ColumnType as ColumnType,
        Format as Format,
        SourceSpec as SourceSpec,
        evident_formats as evident_formats,
    )
    from engine.sources.stored.find import find_files as find_files
    from engine.sources.stored.fingerprint import (
        FileFingerprint as FileFingerprint,
        differences as differences,
        fingerprint as fingerprint,
    )
    from engine.sources.stored.inputs import InputFile as InputFile
else:
    __getattr__ = lazy_face(
        __name__,
        {
            "opened": "Source open_source",
            "pairs": "PairsSource",
            "spec": "ColumnType Format STDIN SourceSpec evident_formats",
            "stored.find": "find_files",
            "stored.fingerprint": "FileFingerprint differences fingerprint",
            "stored.inputs": "InputFile",
        },
    )
