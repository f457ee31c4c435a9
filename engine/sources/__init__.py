"""From files, tables and places to blocks of canonical lines; bad records are set aside with row and reason."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.values import lazy_face

if TYPE_CHECKING:
    from engine.sources.files import open_source as open_source
    from engine.sources.formats import (
        DELIMITED as DELIMITED,
        DELIMITERS as DELIMITERS,
        FORMAT_OF_SUFFIX as FORMAT_OF_SUFFIX,
        FORMATS as FORMATS,
        Format as Format,
    )
    from engine.sources.pairs import PairsSource as PairsSource
    from engine.sources.protocol import Source as Source
    from engine.sources.spec import STDIN as STDIN, ColumnType as ColumnType, SourceSpec as SourceSpec
    from engine.sources.stored.find import find_files as find_files
    from engine.sources.stored.fingerprint import (
        FileFingerprint as FileFingerprint,
        differences as differences,
        fingerprint as fingerprint,
    )
    from engine.sources.stored.inputs import InputFile as InputFile
    from engine.sources.stored.names import evident_formats as evident_formats, kind_by_name as kind_by_name
else:
    __getattr__ = lazy_face(
        __name__,
        {
            "files": "open_source",
            "formats": "DELIMITED DELIMITERS FORMATS FORMAT_OF_SUFFIX Format",
            "pairs": "PairsSource",
            "protocol": "Source",
            "spec": "ColumnType STDIN SourceSpec",
            "stored.find": "find_files",
            "stored.fingerprint": "FileFingerprint differences fingerprint",
            "stored.inputs": "InputFile",
            "stored.names": "evident_formats kind_by_name",
        },
    )
