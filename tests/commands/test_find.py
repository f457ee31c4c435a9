"""`find`: which ids are asked for, and what is printed of them. What it finds: `tests/acceptance/test_find.py`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.commands.find import as_json, wanted_ids
from engine.run import Answer, Found
from engine.values import ConfigError


def test_each_id_is_asked_for_once_in_its_order(tmp_path: Path) -> None:
    file = tmp_path / "ids.txt"
    file.write_bytes("\ufeffb\r\n\n c \na\n".encode())
    assert wanted_ids(["a", "b", "a"], file) == ["a", "b", " c "]


@pytest.mark.parametrize(
    ("given", "content", "problem"),
    [
        ([], None, "name ids"),
        ([], b"\n\r\n", "name ids"),
        ([""], None, "not empty"),
        (["\udcff"], None, "an id is not valid UTF-8"),
        (["a"], b"\xff", "ids.txt is not valid UTF-8"),
    ],
)
def test_what_is_no_id_is_a_mistake(given: list[str], content: bytes | None, problem: str, tmp_path: Path) -> None:
    file = tmp_path / "ids.txt"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigError, match=problem):
        wanted_ids(given, file if content is not None else None)


def test_a_file_that_is_missing_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        wanted_ids([], tmp_path / "ids.txt")


def test_json_has_an_object_for_each_unknown_ones_too() -> None:
    found = [Found(id="a", campaign_id="camp", answer=Answer.GONE), Found(id="ä", campaign_id="camp")]
    values = json.loads(as_json(found))
    assert [(each["id"], each["known"], each["answer"]) for each in values] == [
        ("a", True, "gone"),
        ("ä", False, "unknown"),
    ]


def test_json_has_the_facts_of_every_campaign_that_knows_an_id() -> None:
    first, second = (Found(id="a", campaign_id=each, answer=Answer.ARRIVED) for each in ("camp_1", "camp_2"))
    first.campaigns = [first, second]
    [value] = json.loads(as_json([first]))
    assert [each["campaign_id"] for each in value.pop("campaigns")] == ["camp_1", "camp_2"]
    [alone] = json.loads(as_json([Found(id="a", campaign_id="camp_1", answer=Answer.ARRIVED)]))
    assert alone.pop("campaigns") == []
    assert value == alone
