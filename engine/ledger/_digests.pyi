"""What `_digests.c` offers; see there."""

SOURCE_DIGEST: str

def keys_and_digests(lines: bytes, count: int, key: int, /) -> tuple[bytes, bytes, int]: ...
