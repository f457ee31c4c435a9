"""What import-linter does not see (it is run here, too): faces, names in strings, and what a process loads."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import get_args

import pytest

from engine.commands.cli import COMMANDS
from engine.commands.service.units import UNITS
from engine.outlets.alerts import MESSENGER
from engine.reading.spawned import PROGRAM
from engine.sources.formats import FORMATS, Format

ROOT = Path(__file__).parent.parent
ENGINE = ROOT / "engine"
ROOMS = sorted(path.parent.name for path in ENGINE.glob("*/__init__.py"))

ONLY_IN = {
    "aiohttp": {"engine/api/http.py", "engine/simulator", "engine/outlets/health_check.py"},
    "uvloop": {"engine/__main__.py", "engine/simulator"},  # who runs a loop chooses its kind: two processes
    "signal": {
        "engine/__main__.py",
        "engine/simulator",  # a process of its own, which ends at a signal
        "engine/reading/__main__.py",  # a process of its own, which ignores them
        "engine/commands/demo",  # ends the stand-in that it started
        "engine/outlets/notify_command.py",  # kills what a notify command leaves behind
    },
    "sqlite3": {"engine/state", "engine/sources/databases"},
    "psycopg": {"engine/sources/databases"},
    "pymysql": {"engine/sources/databases/mysql.py"},
    "duckdb": {"engine/sources/databases/duckdb_file.py"},
    "mssql_python": {"engine/sources/databases/mssql.py"},
    "oracledb": {"engine/sources/databases/oracle.py"},
    "apprise": {"engine/outlets/messenger.py"},  # a process of its own: it waits as long as it likes, and logs secrets
    "aiolimiter": {"engine/pacing/turnstile.py"},
    "argparse": {"engine/commands", "engine/simulator"},
    "obstore": {"engine/sources/stored"},
    "asyncssh": {"engine/sources/stored/ssh.py", "engine/sources/stored/sftp.py"},
    "pyspark": {"engine/spark.py"},
    "ray": {"engine/ray.py"},
    "pyarrow": {"engine/sources", "engine/commands/init", "engine/commands/demo"},
}
"""Libraries that stay behind one door, or a few."""

FOR_USERS = {"config.py", "errors.py", "spark.py", "ray.py"}
"""What stands outside the rooms: names that users import."""

PURE = {
    "engine/api/verdict.py",
    "engine/api/attribution.py",
    "engine/api/headers.py",
    "engine/ledger/digests.py",
    "engine/pacing/retry.py",
    "engine/pacing/limiter.py",
    "engine/pacing/turns.py",
    "engine/pacing/learned",
    "engine/reading/chunker.py",
    "engine/reading/recent_ids.py",
    "engine/reading/repeated_ids.py",
    "engine/reading/limit.py",
    "engine/run/finding/judging.py",
}
"""Decisions: values in, values out."""

IMPURE_LIBRARIES = {"aiohttp", "asyncio", "os", "pathlib", "socket", "sqlite3", "threading", "time", "uvloop"}
"""What a decision has no business with. (`random.Random` arrives as an argument, for its type only.)"""

FORBIDDEN_NAMES = {"utils", "util", "helpers", "helper", "common", "core", "base", "manager", "misc"}
"""Names that explain nothing."""

NOT_BEFORE_THE_FIRST_REQUEST = {
    *("jinja2", "rich", "prometheus_client", "http.server", "xml.etree.ElementTree", "pyarrow", "polars", "numpy"),
    *("engine.report.page", "engine.report.charts", "engine.report.summary", "engine.simulator"),
}
"""What is for the end of a run, or for those who ask for it."""

CODE = {".py", ".so", "__pycache__"}
"""Every other file of the package is data, and must be named as such to be installed."""

LINES_MAX = 350
FUNCTION_LINES_MAX = 60


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def files() -> list[Path]:
    return sorted(ENGINE.rglob("*.py"))


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def is_in(path: Path, places: set[str]) -> bool:
    return any(named(path) == place or named(path).startswith(f"{place}/") for place in places)


def libraries_of(path: Path) -> set[str]:
    """Return the top names of what a file imports anywhere, but for types only."""
    return set(_imports(tree_of(path)))


def _imports(node: ast.AST) -> Iterator[str]:
    for child in ast.iter_child_nodes(node):
        match child:
            case ast.Import():
                yield from (alias.name.partition(".")[0] for alias in child.names)
            case ast.ImportFrom():
                yield (child.module or "").partition(".")[0]
            case ast.If(test=ast.Name(id="TYPE_CHECKING")):
                continue
            case _:
                yield from _imports(child)


def test_the_house_is_in_rooms() -> None:
    assert len(ROOMS) == 14
    assert {path.name for path in ENGINE.glob("*.py")} == {"__init__.py", "__main__.py", *FOR_USERS}


@pytest.mark.parametrize("room", ["pipeline", "run", "commands"])
def test_every_module_has_its_mirror(room: str) -> None:
    modules = [path.relative_to(ENGINE) for path in (ENGINE / room).rglob("*.py") if path.name != "__init__.py"]
    mirrors = [ROOT / "tests" / module.with_name(f"test_{module.name}") for module in modules]
    assert not [str(mirror.relative_to(ROOT)) for mirror in mirrors if not mirror.exists()]


def test_imports_keep_the_floors_and_the_faces() -> None:
    """The linter itself, so that whoever runs only the tests is told, too."""
    command = [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert found.returncode == 0, found.stdout


@pytest.mark.parametrize("room", ROOMS)
def test_every_name_of_a_face_is_there(room: str) -> None:
    face = import_module(f"engine.{room}")
    [block] = [node for node in tree_of(ENGINE / room / "__init__.py").body if isinstance(node, ast.If)]
    imports = [node for node in block.body if isinstance(node, ast.ImportFrom)]
    assert len(imports) == len(block.body) > 0
    for imported in imports:
        for alias in imported.names:
            assert getattr(face, alias.name) is getattr(import_module(str(imported.module)), alias.name)
            assert not (ENGINE / room / f"{alias.name}.py").exists(), "that file would hide the name once imported"


@pytest.mark.parametrize("room", ROOMS)
def test_a_face_knows_no_other_names(room: str) -> None:
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = import_module(f"engine.{room}").nothing


def test_names_in_strings_resolve() -> None:
    for command in COMMANDS:
        assert callable(command.load().add_arguments), command.name
        assert callable(command.load().run), command.name
    assert get_args(Format) == tuple(FORMATS)
    for facts in FORMATS.values():
        assert callable(import_module(facts.reader).read_rows), facts.reader
    templates = {f"{kind}{suffix}.j2" for kind, suffixes in UNITS.items() for suffix in suffixes}
    assert {path.name for path in (ENGINE / "commands/service/templates").iterdir()} == templates
    assert (ROOT / PROGRAM[0].replace(".", "/") / "__main__.py").exists()
    assert (ROOT / MESSENGER.replace(".", "/")).with_suffix(".py").exists()


def test_no_other_strings_name_modules() -> None:
    """A name in a string is an import that no linter sees, so all of them stand in the tables above."""
    known = {command.module for command in COMMANDS} | {facts.reader for facts in FORMATS.values()}
    known |= {*PROGRAM, MESSENGER}
    strings = {
        node.value
        for path in files()
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    assert {text for text in strings if re.fullmatch(r"engine(\.[a-z_]+)+", text)} == known


def modules_after(code: str) -> set[str]:
    """Return what a fresh interpreter has loaded after `code`."""
    program = f"import sys\n{code}\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_the_reading_process_loads_only_what_reads() -> None:
    loaded = modules_after("import engine.reading.__main__, engine.sources.ndjson.reader, engine.sources.files")
    rooms = {name.split(".")[1] for name in loaded if name.startswith("engine.")}
    assert rooms == {"reading", "sources", "values"}
    assert not {"aiohttp", "asyncio", "pyarrow", "sqlite3"} & loaded


def test_nothing_is_loaded_before_the_first_request_that_it_does_not_need(tmp_path: Path) -> None:
    (tmp_path / "source.ndjson").write_text('{"id":"loan_1","data":{"a":1}}\n', encoding="utf-8")
    config = tmp_path / "config.toml"
    config.write_text(
        f"[api]\nurl = 'http://127.0.0.1:9'\ncampaign_id = 'c'\ntoken_file = '{config}.token'\n"
        f"[source]\npath = '{tmp_path}/source.ndjson'\n[state]\ndir = '{tmp_path}/state'\n",
        encoding="utf-8",
    )
    Path(f"{config}.token").write_text("token", encoding="utf-8")
    loaded = modules_after(
        "import os\n"
        "from engine import __main__, api\n"
        "async def update(self, lines, campaign_id): print(*sys.modules, flush=True); os._exit(0)\n"
        "api.HttpBulkApi.update = update\n"
        f"__main__.main(['sync', '-c', {str(config)!r}])"
    )
    assert {"aiohttp", "engine.pipeline.uploader"} <= loaded
    assert not loaded & NOT_BEFORE_THE_FIRST_REQUEST


def test_a_face_costs_nothing() -> None:
    loaded = modules_after("\n".join(f"import engine.{room}" for room in ROOMS))
    assert {name for name in loaded if name.startswith("engine.")} == {
        "engine.values.faces",
        *(f"engine.{room}" for room in ROOMS),
    }


@pytest.mark.parametrize("path", [path for path in files() if is_in(path, PURE)], ids=named)
def test_decisions_are_pure(path: Path) -> None:
    assert not libraries_of(path) & IMPURE_LIBRARIES


def test_every_decision_is_still_there() -> None:
    assert all((ROOT / place).exists() for place in PURE)


@pytest.mark.parametrize("library", sorted(ONLY_IN))
def test_libraries_stay_behind_their_doors(library: str) -> None:
    users = [path for path in files() if library in libraries_of(path)]
    assert not [named(path) for path in users if not is_in(path, ONLY_IN[library])]
    assert users, f"nobody uses {library} any more: take it out of the table"


@pytest.mark.parametrize("path", files(), ids=named)
def test_a_module_keeps_to_one_kind_of_values(path: Path) -> None:
    """The `field` of a dataclass would be taken for the default itself in a `Struct`, and no type checker sees it."""
    imports = [node for node in ast.walk(tree_of(path)) if isinstance(node, ast.ImportFrom)]
    kinds = {alias.name for node in imports if node.module in ("dataclasses", "msgspec") for alias in node.names}
    assert not kinds >= {"dataclass", "Struct"}


@pytest.mark.parametrize("path", files(), ids=named)
def test_names_explain_and_files_can_be_seen_whole(path: Path) -> None:
    assert not {path.stem, *path.relative_to(ENGINE).parent.parts} & FORBIDDEN_NAMES
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LINES_MAX
    assert ast.get_docstring(tree_of(path)), f"{named(path)} does not say what it is for"
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert (node.end_lineno or 0) - node.lineno < FUNCTION_LINES_MAX, f"{named(path)}: {node.name}"


def test_every_library_is_declared() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    declared = {line.partition(">")[0].partition("<")[0].strip().replace("-", "_") for line in project["dependencies"]}
    optional = [line for lines in project["optional-dependencies"].values() for line in lines]
    declared |= {line.partition(">")[0].partition("[")[0].strip().replace("-", "_").lower() for line in optional}
    used = {library for path in files() for library in libraries_of(path)}
    assert used - set(sys.stdlib_module_names) - {"engine"} <= declared


def test_every_template_is_package_data() -> None:
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
    patterns = tools["setuptools"]["package-data"]["engine"]
    packaged = {path for pattern in patterns for path in ENGINE.glob(pattern)}
    data = {path for path in ENGINE.rglob("*") if path.is_file() and not {path.suffix, path.parent.name} & CODE}
    assert data == packaged
