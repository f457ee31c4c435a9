import json

from engine.sources.stored.fingerprint import FileFingerprint, differences, fingerprint


def test_what_was_not_read_to_its_end_has_no_digest_yet() -> None:
    found = fingerprint({"a": 5, "b": 7}, {"a": "d"})
    assert found == {"a": FileFingerprint(5, "d"), "b": FileFingerprint(7, None)}


def test_without_a_digest_only_the_size_counts() -> None:
    known, unknown = {"a": FileFingerprint(5, "d")}, {"a": FileFingerprint(5)}
    assert differences(known, unknown) == differences(unknown, known) == []
    assert differences(known, {"a": FileFingerprint(6)}) == ["a grew from 5 to 6 bytes"]


def test_each_difference_is_a_sentence() -> None:
    before = {name: FileFingerprint(1000, "d") for name in ("same", "grown", "cut", "edited", "gone")}
    now = {
        "same": FileFingerprint(1000, "d"),
        "grown": FileFingerprint(2500, "e"),
        "cut": FileFingerprint(10, "e"),
        "edited": FileFingerprint(1000, "e"),
        "added": FileFingerprint(1, "f"),
    }
    assert differences(before, now) == [
        "grown grew from 1,000 to 2,500 bytes",
        "cut shrank from 1,000 to 10 bytes",
        "edited has the same size, but different content",
        "gone is gone",
        "added is new",
    ]


def test_no_difference_even_through_json() -> None:
    before = {"a": FileFingerprint(5, "d")}
    assert differences(json.loads(json.dumps(before)), before) == []


def test_another_order_is_a_difference() -> None:
    a, b = FileFingerprint(1, "a"), FileFingerprint(2, "b")
    assert differences({"a": a, "b": b}, {"b": b, "a": a}) == ["the files come in another order"]
