"""`notify.urls`: addresses that stand there, in variables and in files; no message repeats one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engine.settings.addresses import read_addresses, variables_of
from engine.settings.loading import from_tables
from engine.settings.tables import NotifyTable
from engine.values.errors import ConfigError


def loaded(urls: Any) -> NotifyTable:
    tables = {"api": {"campaign_id": "c"}, "source": {"path": "a.csv", "id": "i"}, "notify": {"urls": urls}}
    return from_tables(tables).notify


def test_addresses_are_taken_from_where_they_stand(tmp_path: Path) -> None:
    (tmp_path / "alerts").write_text("# the team\n mailto://a:b@c.example \n\nslack://x\n", encoding="utf-8")
    table = loaded(["json://host/path", "env:ALERTS", f"file:{tmp_path}/alerts"])
    assert read_addresses(table.urls, {"ALERTS": "ntfy://one\nntfy://two"}) == (
        *("json://host/path", "ntfy://one", "ntfy://two"),
        *("mailto://a:b@c.example", "slack://x"),
    )
    assert read_addresses([f"file://{tmp_path}/alerts"], {})[1] == "slack://x"
    assert variables_of(table.urls) == ("ENGINE_NOTIFY__URLS", "ALERTS")


def test_one_address_is_a_list_of_one() -> None:
    assert loaded("json://host").urls == ("json://host",)


def test_a_relative_file_is_looked_for_among_the_credentials(tmp_path: Path) -> None:
    (tmp_path / "alerts").write_text("json://host", encoding="utf-8")
    assert read_addresses(["file:alerts"], {"CREDENTIALS_DIRECTORY": str(tmp_path)}) == ("json://host",)


@pytest.mark.parametrize("urls", [["canary"], ["env:canary-1"], ["file:"], ["https://"], ["file://"], [5], 5])
def test_what_is_no_address_is_a_mistake_that_repeats_nothing(urls: Any) -> None:
    with pytest.raises(ConfigError, match=r"- notify\.urls: must be ") as caught:
        loaded(urls)
    assert "canary" not in str(caught.value)


def test_all_that_is_missing_is_named(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    urls = ["env:MISSING", "env:EMPTY", f"file:{tmp_path}/missing", f"file:{tmp_path}/empty"]
    with pytest.raises(ConfigError) as caught:
        read_addresses(urls, {"EMPTY": " \n# json://canary\n"})
    assert str(caught.value) == (
        "notify.urls: the environment variable MISSING is not set; the environment variable EMPTY holds no address; "
        f"the file '{tmp_path}/missing' cannot be read: No such file or directory; "
        f"the file '{tmp_path}/empty' holds no address"
    )


def test_addresses_are_shown_in_no_representation() -> None:
    assert "canary" not in repr(loaded(["json://canary"]))
