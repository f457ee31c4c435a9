"""What `_scan.c` offers; see there."""

SOURCE_DIGEST: str
DEPTH_MAX: int
KEYS_MAX: int

def numbers_of_lines(lines: bytes, count: int, seed: int, /) -> bytes | None: ...
def numbers_of_ids(ids: list[bytes], seed: int, /) -> bytes: ...
def put_elements(target: memoryview, lines: bytes, /) -> None: ...
def keep_memory(bytes: int, /) -> bool: ...
def nth_newline(lines: bytes, number: int, /) -> int: ...
def texts_of_key(lines: bytes, key: bytes, depth: int, count: int, /) -> list[str] | None: ...

class CanonicalScanner:
    def __new__(cls, line_bytes_max: int, seed: int, /) -> CanonicalScanner: ...
    def scan(self, text: bytes, start: int, stop: int, /) -> tuple[bytes, bytes, int, int, int, bytes]: ...

class FlatScanner:
    def __new__(
        cls,
        line_bytes_max: int,
        seed: int,
        omit_nulls: bool,
        head: bytes,
        tail: bytes,
        id_nulls: tuple[bytes, ...],
        conditions: int,
        met_by_nothing: int,
        /,
    ) -> FlatScanner: ...
    def scan(self, text: bytes, start: int, stop: int, /) -> tuple[bytes, bytes, int, int, int, bytes]: ...
    def learn(
        self,
        key: bytes,
        is_id: bool,
        declines: bool,
        member: bytes | None,
        nulls: tuple[bytes, ...],
        condition: int,
        wanted: tuple[bytes, ...],
        /,
    ) -> bool: ...

class NumberSet:
    def add(self, numbers: bytes, /) -> bool: ...
    def lacks(self, numbers: bytes, /) -> bool: ...
    def clear(self) -> None: ...
