"""The configuration: what is accepted, and that every mistake is named at once, without its value."""

from __future__ import annotations

import subprocess
import sys
from datetime import time as time_of_day
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st

from engine.settings.loading import from_tables, load
from engine.settings.tables import Settings
from engine.settings.values import SHARE_JUDGED_FROM, Threshold
from engine.values.errors import ConfigError, ExitCode

USUAL = '[api]\ncampaign_id = "c"\n[source]\npath = "a.csv"\nid = "i"'
MINIMAL: dict[str, dict[str, Any]] = {"api": {"campaign_id": "c-1"}, "source": {"path": "a.csv", "id": "loan_id"}}


def with_key(dotted: str, value: object) -> dict[str, dict[str, Any]]:
    table, _, key = dotted.partition(".")
    tables = {name: dict(values) for name, values in MINIMAL.items()}
    tables.setdefault(table, {})[key] = value
    return tables


def complaint(tables: dict[str, dict[str, Any]]) -> str:
    with pytest.raises(ConfigError) as caught:
        from_tables(tables)
    assert caught.value.exit_code is ExitCode.USAGE
    return str(caught.value)


def toml(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "config.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_defaults_are_those_of_the_contract() -> None:
    settings = from_tables(MINIMAL)
    api, upload, guard = settings.api, settings.upload, settings.guard
    assert (api.url, api.token_env) == ("https://api.agents.timepay.ai/api/v1", "TIMEPAY_TOKEN")
    assert (api.token_file, api.org_id, api.ca_file, api.proxy, api.timeout_s) == (None, None, None, None, 120.0)
    assert (upload.batch_size, upload.max_body_bytes, upload.concurrency) == (10_000, 8_000_000, 8)
    assert (upload.requests_per_second, upload.retry_window_s, upload.drain_timeout_s) == (10.0, 900.0, 60.0)
    assert upload.deadline is None
    assert (guard.max_rejected, guard.min_records, guard.max_shrink) == (Threshold(percent=5.0), None, None)
    assert settings.state.dir == Path("engine-state")
    assert settings.source.nulls == "omit"


def test_the_source_table_becomes_a_plain_value() -> None:
    tables = with_key("source.types", {"age": "integer"})
    tables["source"] |= {"fields": ["age", "name"], "exclude": ["x"], "rename": {"name": "first_name"}, "nulls": "send"}
    spec = from_tables(tables).source.spec()
    assert spec.paths == ("a.csv",)
    assert spec.fields == ("age", "name")
    assert spec.exclude == frozenset({"x"})
    assert spec.rename == {"name": "first_name"}
    assert spec.types == {"age": "integer"}
    assert (spec.id, spec.nulls, spec.format) == ("loan_id", "send", None)


@pytest.mark.parametrize(
    ("dotted", "given_value", "expected"),
    [
        ("source.path", ["a.csv", "b.csv"], ("a.csv", "b.csv")),
        ("source.format", "jsonl", "ndjson"),
        ("upload.deadline", "06:30", time_of_day(6, 30)),
        ("upload.deadline", "06:30:15", time_of_day(6, 30, 15)),
        ("upload.deadline", time_of_day(6, 30), time_of_day(6, 30)),
        ("upload.retry_window_s", 0, 0.0),
        ("upload.requests_per_second", 3, 3.0),
        ("guard.max_rejected", 100, Threshold(count=100)),
        ("guard.max_rejected", "100", Threshold(count=100)),
        ("guard.max_rejected", "0.5%", Threshold(percent=0.5)),
        ("guard.max_shrink", "50%", Threshold(percent=50.0)),
        ("api.url", "http://127.0.0.1:8080/api/v1/", "http://127.0.0.1:8080/api/v1"),
        ("api.url", "http://127.9.9.9", "http://127.9.9.9"),
        ("api.url", "http://[::1]:80/x", "http://[::1]:80/x"),
        ("api.url", "http://localhost:1/x", "http://localhost:1/x"),
        ("notify.command", "mail 'a b' c", ("mail", "a b", "c")),
        ("notify.command", ["mail", "a b"], ("mail", "a b")),
    ],
)
def test_accepted(dotted: str, given_value: object, expected: object) -> None:
    table, _, key = dotted.partition(".")
    assert getattr(getattr(from_tables(with_key(dotted, given_value)), table), key) == expected


@pytest.mark.parametrize(
    ("dotted", "value", "words"),
    [
        ("upload.batch_size", 0, "at least 1"),
        ("upload.batch_size", 10_001, "at most 10000"),
        ("upload.batch_size", "500", "whole number, not text"),
        ("upload.batch_size", 1.5, "whole number, not a fraction"),
        ("upload.concurrency", True, "whole number, not a boolean"),
        ("upload.requests_per_second", 0, "above 0"),
        ("upload.requests_per_second", float("inf"), "finite"),
        ("upload.retry_window_s", -1, "at least 0"),
        ("upload.drain_timeout_s", float("nan"), "finite"),
        ("upload.max_body_bytes", -5, "at least 1"),
        ("upload.deadline", "25:00", "time of day"),
        ("upload.deadline", 630, "time of day"),
        ("api.timeout_s", 0, "above 0"),
        ("api.campaign_id", "", "empty"),
        ("api.campaign_id", " ", "empty"),
        ("api.campaign_id", 12, "text in quotes, not a whole number"),
        ("api.campaign_id", "a\nb", "control characters"),
        ("api.url", "http://api.example/v1", "https://"),
        ("api.url", "http://localhost.example/v1", "https://"),
        ("api.url", "http://127.0.0.1.example/v1", "https://"),
        ("api.url", "https://user:canary@api.example/v1", "user name"),
        ("api.url", "https://api.example/v1?key=canary", "query"),
        ("api.url", "https://api.example:99999/", "URL"),
        ("api.url", "api.example/v1", "URL"),
        ("api.url", "ftp://api.example", "URL"),
        ("api.org_id", "a\r\nX: y", "control characters"),
        ("api.org_id", "ключ", "ASCII"),
        ("api.token_env", "canary-token.value", "name of an environment variable"),
        ("api.token", "canary", "token_env"),
        ("api.proxy", "nonsense", "URL"),
        ("source.path", [], "at least one"),
        ("source.path", ["a.csv", "-"], "alone"),
        ("source.path", 7, "list of texts, not a whole number"),
        ("source.path", [7], "text in quotes, not a whole number"),
        ("source.format", "xls", '"csv"'),
        ("source.nulls", "canary", '"omit" or "send"'),
        ("source.types", {"a": "int"}, "source.types.a"),
        ("source.rename", {"a": 1}, "source.rename.a"),
        ("source.rename", {"a": "x", "b": "x"}, "same name"),
        ("source.fields", ["a", "a"], "twice"),
        ("guard.max_rejected", "101%", "at most 100%"),
        ("guard.max_rejected", -1, "count"),
        ("guard.max_rejected", True, "count"),
        ("guard.min_records", 0, "at least 1"),
        ("state.dir", "", "empty"),
        ("notify.command", "a 'b", "quote"),
        ("notify.command", [], "empty"),
        ("log.format", "canary", '"json"'),
    ],
)
def test_refused_without_repeating_the_value(dotted: str, value: object, words: str) -> None:
    message = complaint(with_key(dotted, value))
    assert dotted in message
    assert words in message
    assert "1 mistake" in message
    assert "canary" not in message


def test_all_mistakes_are_named_at_once(tmp_path: Path) -> None:
    path = toml(
        tmp_path,
        """
        colour = "canary"
        [api]
        url = "http://canary.example"
        campain_id = "canary"
        [source]
        format = "canary"
        [upload]
        batch_size = "canary"
        concurrency = 0
        [guard]
        max_rejected = "canary"
        [notfy]
        x = "canary"
        """,
    )
    with pytest.raises(ConfigError) as caught:
        load(path, environ={"ENGINE_UPLOAD__TIMEOUT": "canary", "ENGINE_STATE_DIR": "canary"})
    message = str(caught.value)
    assert "12 mistakes" in message
    for words in [
        "colour: unknown",
        "api.url: must begin with https://",
        "api.campain_id: unknown; did you mean campaign_id?",
        "api.campaign_id: missing",
        "source.path: missing",
        "source.format: must be one of",
        "upload.batch_size: must be a whole number",
        "upload.concurrency: must be at least 1",
        "guard.max_rejected: must be a count",
        "notfy: unknown; there is no such table; did you mean notify?",
        "ENGINE_STATE_DIR: there is no such setting; did you mean ENGINE_STATE__DIR?",
    ]:
        assert words in message
    assert "ENGINE_UPLOAD__TIMEOUT: there is no such setting" in message
    assert "canary" not in message.replace(str(path), "")


@pytest.mark.parametrize("table", ["UPLOD", "UPLOADS", "AUPLOAD"])
def test_a_variable_of_a_table_that_there_nearly_is_is_a_mistake(tmp_path: Path, table: str) -> None:
    with pytest.raises(ConfigError, match="there is no such setting; did you mean ENGINE_UPLOAD__CONCURRENCY"):
        load(toml(tmp_path, USUAL), environ={f"ENGINE_{table}__CONCURRENCY": "canary"})


@pytest.mark.parametrize(
    "name", ["ENGINE_ROOM__CONCURRENCY", "ENGINE_UPLOD__TEMPERATURE", "ENGINE_UPLOD", "ENGINE___", "UPLOD__CONCURRENCY"]
)
def test_variables_of_others_do_not_matter(tmp_path: Path, name: str) -> None:
    assert load(toml(tmp_path, USUAL), environ={name: "0"}).upload.concurrency


def test_a_key_under_the_wrong_table_is_sent_to_the_right_one() -> None:
    assert "belongs under [upload]" in complaint(with_key("api.batch_size", 5))
    message = complaint({"campaign_id": "x"} | MINIMAL)  # type: ignore[arg-type]  # a mistake users make
    assert "campaign_id: unknown; this key belongs under [api]" in message


@pytest.mark.parametrize("table", ["api", "source", "upload"])
def test_a_value_in_place_of_a_table(table: str) -> None:
    assert f"{table}: must be a table" in complaint(MINIMAL | {table: 7})  # type: ignore[arg-type]  # a user's mistake


def test_a_mapping_needs_an_id_column() -> None:
    tables: dict[str, dict[str, Any]] = {"api": {"campaign_id": "c"}, "source": {"path": "a.ndjson", "exclude": ["x"]}}
    assert "source.exclude: only shapes records with columns" in complaint(tables)
    assert "source.id: missing: name the column" in complaint({**MINIMAL, "source": {"path": "a.csv.gz"}})


def test_types_are_for_csv_only() -> None:
    tables = with_key("source.types", {"a": "integer"})
    tables["source"]["path"] = "a.parquet"
    assert "source.types: is for CSV and TSV only" in complaint(tables)


def test_standard_input_needs_a_format() -> None:
    assert "source.format: missing" in complaint(with_key("source.path", "-"))


@pytest.mark.parametrize("guard", [{"min_records": 5}, {"max_shrink": "50%"}, {"min_records": 5, "max_shrink": 0}])
def test_standard_input_cannot_be_counted_beforehand(guard: dict[str, object]) -> None:
    tables = with_key("source.path", "-") | {"guard": guard}
    tables["source"] |= {"format": "ndjson"}
    told = complaint(tables)
    for words in ("1 mistake", "guard: min_records and max_shrink", "standard input", "source.path"):
        assert words in told
    tables["guard"] = {"max_rejected": 5}  # needs no count
    from_tables(tables)


def test_variables_go_before_the_file_and_overrides_before_both(tmp_path: Path) -> None:
    path = toml(tmp_path, '[api]\ncampaign_id = "file"\n[source]\npath = "a.csv"\nid = "i"\n[upload]\nbatch_size = 1')
    variables = {
        "ENGINE_API__CAMPAIGN_ID": "12",
        "ENGINE_UPLOAD__BATCH_SIZE": "7",
        "ENGINE_UPLOAD__CONCURRENCY": "3",
        "ENGINE_SOURCE__PATH": '["x.csv", "y.csv"]',
        "ENGINE_SOURCE__TYPES": '{ age = "integer" }',
        "ENGINE_UPLOAD__DEADLINE": "06:30",
        "ENGINE_UPLOAD__LATE_COPY_S": "0.5",
        "ENGINE_GUARD__MAX_REJECTED": "10%",
        "ENGINEERING_API__X": "not ours",
        "ENGINE_ROOM": "not ours",
    }
    settings = load(path, environ=variables, overrides={"upload": {"concurrency": 5}})
    assert settings.api.campaign_id == "12"
    assert (settings.upload.batch_size, settings.upload.concurrency) == (7, 5)
    assert settings.source.path == ("x.csv", "y.csv")
    assert settings.source.types == {"age": "integer"}
    assert (settings.upload.deadline, settings.upload.late_copy_s) == (time_of_day(6, 30), 0.5)
    assert settings.guard.max_rejected == Threshold(percent=10.0)


def test_a_mistake_in_a_variable_names_the_variable(tmp_path: Path) -> None:
    path = toml(tmp_path, '[api]\ncampaign_id = "c"\n[source]\npath = "a.csv"\nid = "i"')
    with pytest.raises(ConfigError) as caught:
        load(path, environ={"ENGINE_UPLOAD__BATCH_SIZE": "canary"})
    assert "ENGINE_UPLOAD__BATCH_SIZE (upload.batch_size): must be a whole number, not text" in str(caught.value)
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("NULL_VALUES", '["canary"'),
        ("NULL_VALUES", "[canary"),
        ("FIELDS", '["canary" "b"]'),
        ("PATH", '["canary.csv"'),
        ("TYPES", '{ canary = "integer"'),
        ("WHERE", "{canary: 1}"),
    ],
)
def test_a_variable_that_begins_like_a_list_or_a_table_must_be_one(tmp_path: Path, key: str, text: str) -> None:
    path = toml(tmp_path, '[api]\ncampaign_id = "c"\n[source]\npath = "a.csv"\nid = "i"')
    with pytest.raises(ConfigError) as caught:
        load(path, environ={f"ENGINE_SOURCE__{key}": text})
    assert f"ENGINE_SOURCE__{key} (source.{key.lower()}): is no TOML" in str(caught.value)
    assert "canary" not in str(caught.value)


def test_the_variable_of_a_broken_list_is_one_mistake(tmp_path: Path) -> None:
    path = toml(tmp_path, '[api]\ncampaign_id = "c"\n[source]\nid = "i"')
    with pytest.raises(ConfigError) as caught:
        load(path, environ={"ENGINE_SOURCE__PATH": '["a.csv"'})
    assert "has 1 mistake;" in str(caught.value)


def test_text_in_a_variable_may_begin_with_a_bracket(tmp_path: Path) -> None:
    path = toml(tmp_path, '[api]\ncampaign_id = "c"\n[source]\npath = "a.csv"\nid = "i"')
    settings = load(path, environ={"ENGINE_SOURCE__PATH": "[ab]*.csv", "ENGINE_SOURCE__ID": "[id"})
    assert (settings.source.path, settings.source.id) == (("[ab]*.csv",), "[id")


def test_the_variable_of_the_token_may_have_any_name(tmp_path: Path) -> None:
    path = toml(tmp_path, '[api]\ncampaign_id = "c"\ntoken_env = "ENGINE_API_TOKEN"\n[source]\npath = "a.ndjson"')
    settings = load(path, environ={"ENGINE_API_TOKEN": "t"})
    assert settings.api.token_env == "ENGINE_API_TOKEN"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"[api]\ncampaign_id = canary\n", "line 2"),
        (b"[api]\nx = '\xff'\n", "not UTF-8 text (line 2)"),
        (b"#" * 1_000_001, "larger than"),
    ],
)
def test_a_file_that_is_no_configuration(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "config.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"config\.toml") as caught:
        load(path)
    assert words in str(caught.value)
    assert "canary" not in str(caught.value)


def test_a_missing_file_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="init SOURCE"):
        load(tmp_path / "config.toml")
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path)


def test_a_byte_order_mark_is_no_mistake(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_bytes(b'\xef\xbb\xbf[api]\ncampaign_id = "c"\n[source]\npath = "a.ndjson"\n')
    assert load(path, environ={}).api.campaign_id == "c"


def test_secrets_are_not_in_the_settings_text() -> None:
    tables = with_key("api.proxy", "http://user:canary@proxy:1")
    tables["notify"] = {"healthcheck_url": "https://hc.example/canary"}
    settings = from_tables(tables)
    assert settings.notify.healthcheck_url == "https://hc.example/canary"
    assert "canary" not in repr(settings)


@given(bad=st.integers(0, 10**9), total=st.integers(0, 10**9), percent=st.integers(0, 100))
def test_a_share_is_compared_exactly(bad: int, total: int, percent: int) -> None:
    above = bad >= SHARE_JUDGED_FROM and bad * 100 > percent * total
    assert Threshold(percent=float(percent)).exceeded(bad, total) == above


def test_fewer_than_ten_are_no_share() -> None:
    assert not Threshold(percent=0.0).exceeded(9, 9)
    assert Threshold(percent=0.0).exceeded(10, 10)
    assert Threshold(count=0).exceeded(1, 10**9)  # a count is a count


def test_exactly_the_limit_is_not_above_it() -> None:
    assert not Threshold(percent=29.0).exceeded(29, 100)  # 0.29 * 100 is 28.999…
    assert Threshold(percent=29.0).exceeded(30, 100)
    assert not Threshold(count=3).exceeded(3, 0)
    assert Threshold(count=3).exceeded(4, 10**9)
    assert [str(Threshold(count=3)), str(Threshold(percent=0.5))] == ["3", "0.5%"]


class TestToken:
    def settings(self, **api: object) -> Settings:
        return from_tables({**MINIMAL, "api": {"campaign_id": "c", **api}})

    def test_from_the_variable_and_read_afresh(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("TIMEPAY_TOKEN", "first\n")
        settings = self.settings()
        assert settings.api.read_token() == "first"
        monkeypatch.setenv("TIMEPAY_TOKEN", "second")
        assert settings.api.read_token() == "second"

    def test_a_file_goes_before_the_variable(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setenv("TIMEPAY_TOKEN", "variable")
        (tmp_path / "token").write_bytes(b"from-file\r\n")
        assert self.settings(token_file=str(tmp_path / "token")).api.read_token() == "from-file"

    def test_credentials_of_systemd(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        (tmp_path / "token").write_text("credential", encoding="utf-8")
        monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
        assert self.settings(token_file="token").api.read_token() == "credential"

    @pytest.mark.parametrize("value", ["", " \n", "canary\nX: y", "canary tokén", "canary canary"])
    def test_what_cannot_be_a_token(self, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
        monkeypatch.setenv("TIMEPAY_TOKEN", value)
        with pytest.raises(ConfigError, match="TIMEPAY_TOKEN") as caught:
            self.settings().api.read_token()
        assert "canary" not in str(caught.value)

    def test_missing(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.delenv("TIMEPAY_TOKEN", raising=False)
        with pytest.raises(ConfigError, match="TIMEPAY_TOKEN is not set"):
            self.settings().api.read_token()
        with pytest.raises(ConfigError, match="cannot be read"):
            self.settings(token_file=str(tmp_path / "none")).api.read_token()

    def test_a_token_written_in_place_of_the_name_is_not_repeated(self) -> None:
        with pytest.raises(ConfigError) as caught:
            self.settings(token_env="canary0123456789abcdef").api.read_token()
        assert "canary" not in str(caught.value)
        assert "api.token_env" in str(caught.value)


def test_loading_imports_nothing_heavy(tmp_path: Path) -> None:
    path = toml(tmp_path, '[api]\ncampaign_id = "c"\n[source]\npath = "a.ndjson"')
    code = f"import sys; from pathlib import Path; from engine.config import load; load(Path({str(path)!r}))"
    result = subprocess.run([sys.executable, "-c", f"{code}; print(*sys.modules)"], capture_output=True, check=True)
    assert not {"aiohttp", "asyncio", "jinja2", "polars", "pyarrow", "rich", "sqlite3"} & set(
        result.stdout.decode().split()
    )


def source_with(**keys: object) -> Any:
    return from_tables({"api": {"campaign_id": "c"}, "source": {"path": "x.csv", "id": "loan_id", **keys}}).source


def test_a_column_is_shaped_in_one_place() -> None:
    source = source_with(rename={"a": "b"}, columns={"Amount\n(INR)": {"field": "amount", "thousands": ","}})
    shape = source.spec().shape_of("Amount\n(INR)")
    assert (shape.field, shape.type, shape.thousands, shape.decimal) == ("amount", "number", ",", ".")
    assert source.spec().shape_of("a").field == "b"
    assert source.spec().field_of("Amount\n(INR)") == "amount"


@pytest.mark.parametrize(
    ("keys", "key", "words"),
    [
        ({"rename": {"a": "b"}, "columns": {"a": {"trim": True}}}, "source.columns", "source.rename"),
        ({"types": {"a": "date"}, "columns": {"a": {"trim": True}}}, "source.columns", "source.types"),
        ({"exclude": ["a"], "columns": {"a": {"trim": True}}}, "source.columns", "source.exclude"),
        ({"fields": ["b"], "columns": {"a": {"trim": True}}}, "source.columns", "does not send"),
        ({"rename": {"a": "x"}, "columns": {"b": {"field": "x"}}}, "source.columns", "same name"),
        ({"columns": {"a": {"decimal": ",", "thousands": ","}}}, "source.columns.a.thousands", "decimal"),
        ({"columns": {"a": {"date_format": "%d-%m"}}}, "source.columns.a.date_format", "strptime"),
        ({"columns": {"a": {"date_format": "%d-%m-%Y", "type": "number"}}}, "source.columns.a.type", "date_format"),
        ({"columns": {"a": {"true": ["Y"], "false": ["Y"]}}}, "source.columns.a.false", "true"),
        ({"columns": {"a": {"decimal": "5"}}}, "source.columns.a.decimal", "a digit or a sign"),
        ({"columns": {"a": {"thousands": "-"}}}, "source.columns.a.thousands", "a digit or a sign"),
        ({"columns": {"a": {"decimal": "e"}}}, "source.columns.a.decimal", "a letter"),
        ({"columns": {"a": {"type": "number", "strip": "Rs0"}}}, "source.columns.a.type", "digits in strip"),
        ({"columns": {"a": {"thousands": ",", "strip": "0"}}}, "source.columns.a.type", "digits in strip"),
        ({"columns": {"loan_id": {"field": "x"}}}, "source.columns.loan_id.field", "not for the id"),
        ({"columns": {"loan_id": {"type": "integer"}}}, "source.columns.loan_id.type", "not for the id"),
        ({"columns": {"loan_id": {"thousands": ","}}}, "source.columns.loan_id.thousands", "not for the id"),
        ({"columns": {"a": {"trim": "yes"}}}, "source.columns.a.trim", "must be true or false, not text"),
        ({"columns": {"a": {"defualt": 1}}}, "source.columns.a.defualt", "default"),
        ({"columns": {"a": {"default": float("nan")}}}, "source.columns.a.default", "finite"),
        ({"where": {"state": []}}, "source.where", "no row"),
        ({"delimiter": ";;"}, "source.delimiter", "one character"),
        ({"encoding": "idna"}, "source.encoding", "name of a text encoding"),
        ({"encoding": "unicode_escape"}, "source.encoding", "name of a text encoding"),
        ({"delimiter": ";", "quote": ";"}, "source.quote", "already"),
        ({"encoding": "utf-88"}, "source.encoding", "encoding"),
        ({"path": "x.parquet", "escape": "\\"}, "source.escape", "CSV"),
        ({"id": None, "path": "x.ndjson", "where": {"a": "b"}}, "source.where", "source.id"),
    ],
)
def test_a_mistake_in_shaping_is_named_where_it_stands(keys: dict[str, object], key: str, words: str) -> None:
    keys = {name: value for name, value in {"path": "x.csv", "id": "loan_id", **keys}.items() if value is not None}
    with pytest.raises(ConfigError) as caught:
        from_tables({"api": {"campaign_id": "c"}, "source": keys})
    assert f"{key}: " in str(caught.value)
    assert words in str(caught.value).split(f"{key}: ")[1]


def test_each_key_that_the_id_cannot_take_is_a_mistake() -> None:
    told = complaint(with_key("source.columns", {"loan_id": {"field": "x", "default": 1, "trim": True}}))
    assert "source.columns.loan_id.default: is not for the id" in told
    assert "source.columns.loan_id.field: is not for the id" in told
    assert "2 mistakes" in told


def test_the_id_takes_the_steps_of_text_and_as_a_field_beside_the_id_all_others() -> None:
    source_with(columns={"loan_id": {"trim": True, "strip": "'", "null_values": "-", "map": {"a": "b"}}})
    source_with(columns={"loan_id": {"type": "string"}})
    source_with(fields=["loan_id"], columns={"loan_id": {"field": "number", "type": "integer", "default": 0}})


def test_words_are_the_text_that_stands_in_a_source() -> None:
    source = source_with(where={"open": True, "bucket": [1, "2"]}, columns={"a": {"map": {"1": True}, "default": 0}})
    assert source.where == {"open": ("true",), "bucket": ("1", "2")}
    assert source.columns["a"].map == {"1": True}
    assert source.columns["a"].default == 0


@pytest.mark.parametrize(("written", "seconds"), [("20h", 72_000.0), ("7d", 604_800.0), ("90 s", 90.0), ("1.5m", 90.0)])
def test_a_duration_has_its_unit(written: str, seconds: float) -> None:
    guard = {"max_age": written}
    settings = from_tables({"api": {"campaign_id": "c"}, "source": {"path": "x.csv", "id": "i"}, "guard": guard})
    assert settings.guard.max_age == seconds


def test_no_time_needs_no_unit() -> None:
    tables: dict[str, dict[str, Any]] = {"api": {"campaign_id": "c"}, "source": {"path": "x.csv", "id": "i"}}
    assert from_tables(tables | {"state": {"resume_within": 0}}).state.resume_within == 0.0


@pytest.mark.parametrize(
    "table", [{"guard": {"max_age": 20}}, {"state": {"resume_within": 6}}, {"delta": {"full_every": 7}}]
)
def test_a_bare_number_is_no_duration(table: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="must be a number with s, m, h or d"):
        from_tables({"api": {"campaign_id": "c"}, "source": {"path": "x.csv", "id": "i"}} | table)
