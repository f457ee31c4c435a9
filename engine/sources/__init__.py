"""From files, tables and places to blocks of canonical lines; bad records are set aside with row and reason."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.values import lazy_face

if TYPE_CHECKING:
    from engine.sources.arrow.given import BatchOfColumns, Columns, StreamOfColumns, is_read_again, is_table
    from engine.sources.arrow.source import ArrowSource, check_columns
    from engine.sources.columns.text_form import is_bytes, text_form
    from engine.sources.columns.to_json import is_id_type, unsupported
    from engine.sources.csv.dialect import HEAD_BYTES, detect_dialect
    from engine.sources.csv.names import are_data
    from engine.sources.csv.reader import open_table
    from engine.sources.csv.table import TextRows
    from engine.sources.csv.text import Dialect
    from engine.sources.databases.address import DatabaseQuery, check_url, is_database
    from engine.sources.databases.spool import Spool, delete_spools, find_spool
    from engine.sources.databases.spooling import first_rows, look_at, spool_result
    from engine.sources.files import get_ready, list_files, open_source, text_facts
    from engine.sources.formats import DELIMITED, DELIMITERS, FORMAT_OF_SUFFIX, FORMATS, Format
    from engine.sources.ndjson.acceleration import (
        accelerator,
        id_seed,
        keep_freed_memory,
        lines_in_order,
        nth_newline,
        put_elements,
        why_pure,
    )
    from engine.sources.pairs import PairsSource
    from engine.sources.parquet.opened import ParquetTable
    from engine.sources.protocol import Source, WithoutFiles
    from engine.sources.shaping.scalars import TextType, text_type
    from engine.sources.spec import STDIN, USUAL_ACCESS, ColumnShape, ColumnType, Scalar, SourceSpec, StoreAccess
    from engine.sources.stored.addresses import environment_of, parse_address, scheme_of
    from engine.sources.stored.find import copy_to, find_files, formats_by_name
    from engine.sources.stored.fingerprint import FileFingerprint, differences, fingerprint, other_content
    from engine.sources.stored.inputs import InputFile
    from engine.sources.stored.names import evident_formats, kind_by_name
    from engine.sources.stored.store import StoredObject
else:
    __getattr__ = lazy_face(__name__)
