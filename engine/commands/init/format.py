"""Which format a source is in: what the names of its files tell, else the first bytes of the first of them."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from engine.commands.init.encoding import encoding_of, head_of
from engine.sources import FORMATS, Format, SourceSpec, StoreAccess, find_files, formats_by_name, kind_by_name
from engine.values import ConfigError, SourceUntrusted


def refuse_mixed(paths: Sequence[str], access: StoreAccess) -> None:
    """Refuse files of which one part would be read as another one is.

    Raises:
        ConfigError: the names of the files tell different formats.
        SourceMissing: there is no such file.
    """
    formats = sorted(formats_by_name(paths, access))
    if len(formats) > 1:
        raise ConfigError(
            f"{', '.join(paths)}: the names of its files tell different formats ({', '.join(formats)}), and a "
            f'configuration describes files of one; name only those, such as "DIRECTORY/*.{formats[0]}"'
        )


def find_format(paths: Sequence[str]) -> Format | None:
    """Return the format that the names of all `paths` tell, or None."""
    told = {kind_by_name(path).format for path in paths}
    return told.pop() if len(told) == 1 else None


def format_of(paths: Sequence[str], access: StoreAccess) -> Format | None:
    """Return the format of files whose names tell none, from the first bytes of the first; else None."""
    if find_format(paths) is not None:
        return None
    try:
        first = find_files(SourceSpec(tuple(paths), format="ndjson", access=access))[0]
    except SourceUntrusted as error:  # what it takes for binary may be Parquet without its suffix
        return "parquet" if "Parquet" in str(error) else None
    head = head_of(replace(first, encoding=encoding_of(first)))
    if head.removeprefix(b"\xef\xbb\xbf").lstrip().startswith((b"{", b"[")):
        return "ndjson"
    from engine.sources import detect_dialect  # Arrow comes with it

    return format_with(detect_dialect(head, "csv", SourceSpec(())).delimiter)


def format_with(delimiter: str) -> Format:
    """Return the format that this delimiter is of; CSV recognises the others by itself."""
    return next((format_ for format_, facts in FORMATS.items() if facts.delimiter == delimiter), "csv")
