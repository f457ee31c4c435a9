"""What an API says of a record loses everything that stands in the record, and keeps what says what is wrong."""

from __future__ import annotations

import re
from typing import Any

import orjson
import pytest
from hypothesis import given, strategies as st

from engine.state.masking import MASK, masked, without_record_data
from engine.values import Chunk, ChunkResult, Failure, JoinedLines, Outcome, Span

DATA = {
    "name": "Ramesh Kumar",
    "phone_number": "9876543210",
    "amount": 1250.5,
    "city": "पुणे",
    "state": "UP",
    "status": "not paid",
    "email": "ramesh.k@example.in",
    "due_date": "2026-05-01",
    "address": "Flat 12, M_G Road",
    "empty": "",
    "town": "Zirakpur",
    "village": "Old Zirakpur",
    "flag": True,
    "nested": {"list": ["deep secret", None, 7]},
}


def line_of(data: dict[str, Any], record_id: str = "loan_1") -> bytes:
    return orjson.dumps({"id": record_id, "data": data})


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("loan_1: name Ramesh Kumar is too long", "…: name … is too long"),
        ("RAMESH KUMAR has no phone", "… has no phone"),
        ("Kumar, Ramesh has no phone", "… has no phone"),
        ("name=Rames is cut, ramesh_kumar too", "name=… is cut, … too"),
        ("city पुणे is unknown", "city … is unknown"),
        ("inside: deep secret", "inside: …"),
        ("village Old Zirakpur is unknown", "village … is unknown"),  # and not only the town that is in its name
        ("secret things", "… things"),
        ("road m_g is no road", "… is no …"),
        ("state UP is not valid, update it", "state … is not valid, update it"),  # a short value only as a word
        ("not valid: it is Paid", "not valid: it is …"),  # grammar stays, whoever wrote it, too
        ("value '' is empty", "value '' is empty"),
        ("version conflict", "version conflict"),
    ],
)
def test_what_stands_in_the_record_is_masked(said: str, kept: str) -> None:
    assert masked(said, line_of(DATA)) == kept


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("phone 98765 43210 is not 9876543210", "phone … is not …"),
        ("phone +91-98765-43210 is wrong", "phone … is wrong"),
        ("amount 1250.50 and 1,250.50 and -3", "amount … and … and …"),
        ("1 May 2026 is before 2026-05-01T00:00:00Z", "… May … is before …"),
        ("other@example.com bounced", "… bounced"),
        ("already the id of LN-MUM-0106405", "already the id of …"),
        ('E11000 dup key: { phone_number: "777" }', '… dup key: { phone_number: "…" }'),
        ("value 'Sita Devi' (or “Gita”) is taken", "value '…' (or “…”) is taken"),
    ],
)
def test_what_looks_like_data_is_masked_whoever_it_belongs_to(said: str, kept: str) -> None:
    assert masked(said, line_of(DATA)) == kept


@pytest.mark.parametrize(
    "said",
    [
        "HTTP 400",
        "1042",
        "not isolated (HTTP 500): too many requests failed",
        'field "phone_number" must be 10 digits',
        "Amount and due_date are required",
        "records: max 10000, at most 300 characters",
        "can't update the customer's record",
        "the record could not be updated",
    ],
)
def test_what_says_what_is_wrong_stays_readable(said: str) -> None:
    assert masked(said, line_of(DATA)) == said


CODES = {"current_emi": 4, "age": 39, "product_code": "7", "flat": "Flat 12", "status": 3, "pin": "411001"}


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("on DNC list 4", "on DNC list 4"),  # though a value of the record is 4, too
        ("on DNC list 39", "on DNC list 39"),
        ("DNC list no. 12 forbids it", "DNC list no. 12 forbids it"),
        ("refused, error_code=E39", "refused, error_code=E39"),
        ("errorCode: 1042", "errorCode: 1042"),
        ("blocked (rule 'R-12')", "blocked (rule 'R-12')"),
        ("product code 7 is gone", "product code … is gone"),  # the word is that of a field: it may be its value
        ("product code 8 is gone", "product code 8 is gone"),
        ("status 3 is final", "status … is final"),
        ("age 39 and door 12 are no reason", "age … and door … are no reason"),
        ("record 17 of 20 is refused", "record … of … is refused"),
        ("error 98765 43210", "error …"),
        ("code 411001", "code …"),
        ("code LN-MUM-0106405", "code …"),
        ("type 2026-05-01", "type …"),
    ],
)
def test_codes_that_differ_stay_apart_and_what_stands_in_the_record_does_not(said: str, kept: str) -> None:
    assert masked(said, line_of(CODES)) == kept


def test_an_id_is_no_code() -> None:
    assert masked("code L7 of list L8", line_of({"x": 1}, "L7"), ids={"L8"}) == "code … of list …"


def test_a_limit_that_is_a_value_of_the_record_is_masked() -> None:
    said = "amount 300 exceeds 300"
    assert masked(said, line_of({"amount": 300})) == "amount … exceeds …"
    assert masked(said, line_of({"amount": 200})) == "amount … exceeds 300"


def test_names_that_look_like_data_are_data() -> None:
    line = line_of({"9876543210": "x1", "rani@example.in": "x2", "emi_2": "x3"})
    assert masked("9876543210, rani@example.in and emi_2 are wrong", line) == "… and emi_2 are wrong"


def test_an_id_without_digits_is_masked_in_parts_too() -> None:
    assert masked("Rani: no rani.devi here", line_of({"x": 1}, "rani.devi")) == "…: no … here"
    assert masked("no such loan", line_of({"x": 1}, "loan_17")) == "no such loan"


def test_ids_of_the_records_beside_it_are_masked() -> None:
    assert masked("duplicate of gita", line_of({"x": 1}), ids={"gita"}) == "duplicate of …"


def test_a_record_with_numbers_beyond_reason_is_masked_all_the_same() -> None:
    digits = "7" * 5_000
    line = b'{"id":"a1","data":{"x":1e999,"y":' + digits.encode() + b',"z":-0.1e-400,"name":"Rani"}}'
    assert masked(f"Rani has {digits}", line) == "… has …"


def test_a_text_whose_small_letters_are_longer_is_masked_all_the_same() -> None:
    assert masked("İstanbul: STRASSE", line_of({"a": "straße", "b": "İstanbul"})) == "…"


@given(st.dictionaries(st.from_regex("f[0-9]{8}x", fullmatch=True), st.text(min_size=4), min_size=1), st.text())
def test_no_value_of_a_record_is_left_in_a_reason(data: dict[str, str], said: str) -> None:
    kept = masked(said + " ".join(data.values()), line_of(data))
    left = [value for value in data.values() if value.strip() and value.strip() in kept.replace(MASK, "")]
    assert not left


WORDS = st.from_regex("[b-z]{5,9}", fullmatch=True)


@given(st.lists(WORDS, min_size=1, max_size=4), st.data())
def test_no_word_of_a_value_is_left_in_a_reason(words: list[str], drawn: st.DataObject) -> None:
    word = drawn.draw(st.sampled_from(words))
    quoted = drawn.draw(st.sampled_from([word, word.upper(), word.title(), f"({word})", f"x={word};", word[:-1]]))
    assert masked(f"A {quoted} B", line_of({"aa": " ".join(words)})) == f"A {re.sub('[a-zA-Z]{4,}', MASK, quoted)} B"


def test_ten_thousand_messages_about_one_trouble_are_one_reason() -> None:
    names = ["Asha", "Ramesh Kumar", "A. P. J. Abdul Kalam", "रमेश कुमार", 'O\'Brien "Bob"', "李雷"]
    records = [(f"loan_{n}", {"first_name": names[n % len(names)], "phone": f"98{n:08}"}) for n in range(10_000)]
    lines = b"\n".join(orjson.dumps({"id": record_id, "data": data}) for record_id, data in records)
    failures = [
        Failure(n, Outcome.REJECTED, f"{record_id}: phone {data['phone']} of {data['first_name']} is invalid", 207)
        for n, (record_id, data) in enumerate(records)
    ]
    ids = [record_id for record_id, _ in records]
    result = without_record_data(ChunkResult(Chunk(0, ids, JoinedLines(lines), [Span("f", 1, len(ids))]), failures))
    assert {each.reason for each in result.failures} == {"…: phone … of … is invalid"}
    assert [(each.index, each.http_status) for each in result.failures] == [(n, 207) for n in range(10_000)]
