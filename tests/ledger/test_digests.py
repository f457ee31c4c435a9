"""Digests tell all records apart that the API would keep as different ones, and no others that matter."""

from __future__ import annotations

import json
from array import array
from itertools import combinations, permutations

import pytest
from hypothesis import given, strategies as st
from xxhash import xxh3_64_intdigest

from engine.ledger import digests, keys_and_digests
from tests.ledger.lines import an_object, fields, written

KEY = 0x0123456789ABCDEF


def numbers(*lines: bytes, key: int = KEY) -> list[tuple[int, int]]:
    """Return the key and the digest of each line."""
    found = keys_and_digests(b"\n".join(lines), len(lines), key)
    return list(zip(*(array("Q", each) for each in found), strict=True))


def digest(data: str, id_: str = '"a"') -> int:
    [(_, found)] = numbers(f'{{"id":{id_},"data":{data}}}'.encode())
    return found


DIFFERENT_VALUES = (
    *('""', '" "', "null", '"null"', "1", '"1"', "1.0", "1.00", "1e0", "-1", "0", "-0", "true", '"true"', "false"),
    *("[]", "{}", "[1]", "[1,2]", "[1, 2]", "[2,1]", '{"a":1}', '{"a":1,"b":2}', '{"b":2,"a":1}', "[[]]", '["]"]'),
    *('"é"', '"e\u0301"', '"\\u00e9"', '"a,b"', '"a\\",\\"b"', '"}"', '"\\\\"', '"/"', '"\\/"'),
)


def test_every_value_has_its_own_digest() -> None:
    found = [digest(an_object(field)) for value in DIFFERENT_VALUES for field in (f'"f":{value}', f'"g":{value}')]
    assert len({*found, digest("{}")}) == len(found) + 1


@pytest.mark.parametrize(
    "pair",
    [
        ('{"a":1}', '{"a":1,"b":null}'),  # absent is not null
        ('{"a":"b","c":"d"}', '{"a":"bc","":"d"}'),
        ('{"ab":"c"}', '{"a":"bc"}'),
        ('{"a":1,"b":2}', '{"a":2,"b":1}'),
        ('{"a":1,"b":2}', '{"b":1,"a":2}'),
        ('{"a":"1,\\"b\\":2"}', '{"a":1,"b":2}'),
        ('{"a":"1"}', '{"a\\":\\"1":""}'),
        ('{"a":{"b":1}}', '{"a":{},"b":1}'),
        ('{"a":1,"a":2}', '{"a":2,"a":1}'),
        ('{"a":1,"a":2}', '{"a":2}'),
        ('{"a":1,"a":1}', '{"a":1}'),
        ('{"a":1,"\\u0061":2}', '{"a":2,"\\u0061":1}'),
    ],
    ids=" and ".join,
)
def test_these_are_different(pair: tuple[str, str]) -> None:
    assert digest(pair[0]) != digest(pair[1])


@pytest.mark.parametrize(
    "pair",
    [
        ('{"a":1,"b":2}', '{"b":2,"a":1}'),
        ('{"a":1,"b":2}', ' {\t"a" : 1 ,\r"b":2 } '),
        ('{"a":1}', '{"\\u0061":1}'),  # the same name
        ('{"é/":1}', '{"\\u00e9\\/":1}'),
        ('{"say \\"x\\"":1,"b":2}', '{"b":2,"say \\u0022x\\u0022":1}'),
        ("{}", "{ }"),
    ],
    ids=" and ".join,
)
def test_these_are_the_same(pair: tuple[str, str]) -> None:
    assert digest(pair[0]) == digest(pair[1])


def test_the_id_counts() -> None:
    found = numbers(*(f'{{"id":"{id_}","data":{{"a":1}}}}'.encode() for id_ in ("1", "2", "1 ", "01", "é", "")))
    assert len({key for key, _ in found}) == len({digest for _, digest in found}) == len(found)


def test_an_id_is_the_same_however_it_is_written() -> None:
    ways = ('{"id":"é/","data":{"a":1}}', '{"id":"\\u00e9\\/","data":{"a":1}}', ' {"data":{"a":1} , "\\u0069d":"é/"} ')
    assert len({*numbers(*(line.encode() for line in ways))}) == 1


@given(st.lists(fields(), max_size=5))
def test_the_order_of_fields_does_not_count(some: list[tuple[str, str]]) -> None:
    named = {json.loads(name): f"{name}:{value}" for name, value in some}
    assert len({digest(an_object(*order)) for order in permutations(named.values())}) == 1


@given(st.lists(st.lists(fields(), max_size=4), min_size=2, max_size=4))
def test_records_are_the_same_if_and_only_if_their_fields_are(records: list[list[tuple[str, str]]]) -> None:
    by_name = [{json.loads(name): value for name, value in record} for record in records]
    found = [digest(an_object(*(f"{json.dumps(name)}:{value}" for name, value in each.items()))) for each in by_name]
    for (one, one_digest), (other, other_digest) in combinations(zip(by_name, found, strict=True), 2):
        assert (one == other) == (one_digest == other_digest)


@given(st.lists(fields(), min_size=1, max_size=4), st.integers(0, 2**64 - 1))
def test_a_digest_is_what_it_says_it_is(some: list[tuple[str, str]], key: int) -> None:
    named = {json.loads(name): value for name, value in some}
    total = 0
    for name, value in named.items():
        total += xxh3_64_intdigest(f"{written(name)}:{value}".encode(), seed=key)
    end = (total % 2**64).to_bytes(8, "little") + len(named).to_bytes(8, "little") + b"L1"
    data = an_object(*(f"{json.dumps(name)}:{value}" for name, value in named.items()))
    line = f'{{"id":"L1","data":{data}}}'.encode()
    assert numbers(line, key=key) == [(xxh3_64_intdigest(b"L1", seed=key), xxh3_64_intdigest(end, seed=key))]


def test_digests_stay_what_they_are_on_disk() -> None:
    """A change of these numbers makes the next night send everything."""
    lines = (
        '{"id":"L1","data":{"amount":1.50,"name":"Zoë"}}',
        '{"id":"L1","data":{"a":1,"a":2}}',
        '{"id":"L2","data":{}}',
    )
    assert numbers(*(line.encode() for line in lines), key=0x0123456789ABCDEF) == [
        (7381322800233092072, 11282408497619874674),
        (7381322800233092072, 15080888234797191945),
        (17706038366707254003, 14545847229873450642),
    ]


def test_another_secret_makes_other_numbers() -> None:
    line = b'{"id":"a","data":{"a":1}}'
    [one], [other] = numbers(line, key=0), numbers(line, key=2**64 - 1)
    assert one[0] != other[0]
    assert one[1] != other[1]


def test_no_record_has_the_digest_that_stands_for_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digests, "xxh3_64_intdigest", lambda *_: 0)
    for data in (b'{"a":1}', b'{"a":1,"a":2}'):
        assert digests.key_and_digest(b'{"id":"a","data":%b}' % data, KEY) == (0, 1)


def test_no_lines_have_no_numbers() -> None:
    assert keys_and_digests(b"", 0, KEY) == (b"", b"")


@pytest.mark.parametrize(
    ("lines", "count"), [(b"", 1), (b'{"id":"a","data":{"a":1}}', 0), (b'{"id":"a","data":{}}', 2)]
)
def test_a_wrong_count_is_refused(lines: bytes, count: int) -> None:
    with pytest.raises(ValueError, match=f"there are not {count} lines"):
        keys_and_digests(lines, count, KEY)
