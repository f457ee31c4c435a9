"""The bytes of a block among its records: none is given twice, and none is lost."""

from __future__ import annotations

from hypothesis import given, strategies as st

from engine.values.byte_shares import ByteShares


@given(total=st.integers(0, 1 << 40), records=st.integers(0, 10_000), stops=st.lists(st.integers(0, 12_000)))
def test_what_is_given_adds_up_in_whatever_steps(total: int, records: int, stops: list[int]) -> None:
    shares, given_bytes = ByteShares(total, records), 0
    for stop in stops:
        share = shares.up_to(stop)
        assert share >= 0
        given_bytes += share
        reached = min(max(stops[: stops.index(stop) + 1]), records)
        assert given_bytes >= (total * reached // records if records else total)
    assert given_bytes + shares.up_to(records) == total


def test_records_have_their_shares() -> None:
    shares = ByteShares(1_000, 10)
    assert [shares.up_to(stop) for stop in (1, 3, 3, 10, 10)] == [100, 200, 0, 700, 0]
    assert ByteShares(7, 0).up_to(0) == 7  # no record: refusals alone
