"""What stands above the first row: titles, names of columns that are odd, and first lines that are no header."""

from pathlib import Path
from typing import Any

import pytest

from engine.values.errors import ConfigError
from tests.sources.tables import TableReading, read_text


def test_names_may_hold_line_breaks_which_count_as_line_feeds(tmp_path: Path) -> None:
    text = '"Loan\r\nID","EMI\nAmount",city\r\nL1,1500,Pune\r\n'
    found = read_text(tmp_path, text, id="Loan\nID", rename={"EMI\nAmount": "emi"}, types={"EMI\nAmount": "number"})
    assert found.ids == ["L1"]
    assert found.data == [{"emi": 1500, "city": "Pune"}]


def test_a_header_that_swallows_rows_is_broken(tmp_path: Path) -> None:
    found = read_text(tmp_path, 'id,"nick,emi\nL1,Asha,1\nL2,Ravi,2\nL3,15",3\n')
    assert found.damage is not None
    assert "the header is broken: a quoted cell spans lines that look like rows" in found.damage


@pytest.mark.parametrize(
    "above",
    [
        "Portfolio as of 28-Nov-2026\n",
        "\nPortfolio,,\nas of 28-Nov-2026,,\n,,\n",
        "Report,28-Nov-2026\n\n",
        "sep=,\nX\n",
    ],
)
def test_titles_above_the_header_are_passed_over_with_a_note(tmp_path: Path, above: str) -> None:
    found = read_text(tmp_path, f"{above}id,name,emi\nL1,Asha,5\n")
    assert (found.ids, found.rows, found.refusals) == (["L1"], [1], [])
    (note,) = found.notes
    assert note.startswith(f"the header was found in line {above.count(chr(10)) + 1};")


def test_no_title_is_guessed_where_the_ids_column_is_in_the_first_line(tmp_path: Path) -> None:
    found = read_text(tmp_path, "id\nx,a\n", fields=("id",))
    assert found.reasons == [(1, "the row has more cells than the header")]
    assert not found.notes


def test_a_column_without_a_name_is_not_sent_and_must_be_empty(tmp_path: Path) -> None:
    found = read_text(tmp_path, "id,a,,\n1,x,,\n2,y,,\n" + "3,z,,\n" * 60 + "4,w,,late\n")
    assert found.ids == ["1", "2", *["3"] * 60]
    assert found.data[0] == {"a": "x"}
    assert found.reasons == [(63, "column 4 has a value, but no name")]
    assert found.notes == ["the header has no name for column 3, 4: it is not sent, and must be empty in all rows"]


def test_a_column_without_a_name_that_has_values_is_one_error_unless_fields_leave_it_out(tmp_path: Path) -> None:
    text = "id,a, \n1,x,p\n"
    found = read_text(tmp_path, text)
    assert found.damage is not None
    assert "no name for column 3, which has values" in found.damage
    assert "source.fields" in found.damage
    found = read_text(tmp_path, text, fields=("a",))
    assert (found.data, found.notes) == ([{"a": "x"}], [])


def test_a_name_that_comes_twice_is_no_mistake_if_it_is_not_sent(tmp_path: Path) -> None:
    assert read_text(tmp_path, "id,a,b,b\n1,2,3,4\n", fields=("a",)).data == [{"a": "2"}]
    with pytest.raises(ConfigError, match="'a' twice"):
        read_text(tmp_path, "id,a,a\n1,2,3\n", fields=("a",))


@pytest.mark.parametrize(
    "text",
    [
        "LN0000001,Asha Canary,9876500001,1500,2026-12-01\nLN0000002,Ravi Canary,9876500002,1600,2026-12-02\n",
        "LN1,Asha Canary\nLN2,Ravi Canary\n",
        "Asha Canary,unpaid\nRavi,paid\n",
        "Asha Canary\n",
        "Asha,canary@example.com\nRavi,x@example.com\n",
    ],
)
def test_a_first_line_that_is_no_header_is_never_shown(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError) as error:
        read_text(tmp_path, text, id="loan_id")
    message = str(error.value)
    assert "source.csv has no column 'loan_id' (source.id)" in message
    assert "is the header missing?" in message
    assert "anary" not in message
    assert "LN" not in message


@pytest.mark.parametrize(
    ("text", "mapping"),
    [
        ("Loan ID,name,emi\nL1,Asha,1500\n", {}),
        ("Loan ID,name\n", {"fields": ("name",)}),
        ("Loan ID,2026\n", {"types": {"2026": "number"}}),
    ],
)
def test_the_names_of_a_header_are_shown_to_who_named_another_id(
    tmp_path: Path, text: str, mapping: dict[str, Any]
) -> None:
    with pytest.raises(ConfigError, match="its columns are Loan ID"):
        read_text(tmp_path, text, id="loan_id", **mapping)


def test_tsv_with_quoted_names_says_which_setting_reads_them(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"source\.quote"):
        read_text(tmp_path, '"id"\t"a"\n"1"\t"x"\n', name="s.tsv")


def test_names_in_messages_stay_on_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as error:
        read_text(tmp_path, '"Loan\nID",emi\nL1,5\n', id="id")
    assert "\n" not in str(error.value)


def test_a_long_header_is_read(tmp_path: Path) -> None:
    names = [f"column number {number} of many" for number in range(20_000)]
    found: TableReading = read_text(tmp_path, ",".join(["id", *names]) + "\n" + "1" + ",x" * 20_000 + "\n")
    assert len(found.data[0]) == 20_000
