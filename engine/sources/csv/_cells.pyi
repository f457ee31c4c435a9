"""What `_cells.c` offers; see there."""

SOURCE_DIGEST: str

def split(
    text: bytes, size: int, delimiter: int, columns: int, wanted: list[int], /
) -> tuple[int, list[tuple[bytes | None, bytes, bytes]]] | None: ...
