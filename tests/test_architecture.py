"""Who may import whom. The tables are the architecture; the tests read the imports of every module and compare.

Data flows from the source to the report, and imports point one way: the wiring knows the stages, the stages know the
values and the pure decisions, and nobody knows the wiring.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "engine"

STAGES = {"engine.producer", "engine.chunker", "engine.uploader", "engine.aggregator"}
"""Each does one thing to what flows through it. They meet only in `pipeline.py`, and know no settings."""

DECISIONS = {
    "engine.reply",
    "engine.attribution",
    "engine.retry",
    "engine.pacing",
    "engine.rate_limit",
    "engine.order",
    "engine.recent_ids",
    "engine.rate_noise",
    "engine.rate_savings",
}
"""Pure: values in, values out; no I/O, no clock, no settings, none of the stages."""

VALUES = {"engine.records", "engine.errors", "engine.accounts"}
"""What travels and what is counted. They import nothing of the engine but one another."""

WIRING = {"engine.__main__", "engine.cli", "engine.run", "engine.pipeline", "engine.config"}
"""Knows the stages and the settings. Nothing below may know it."""

IMPURE_LIBRARIES = {"aiohttp", "asyncio", "os", "pathlib", "random", "socket", "sqlite3", "threading", "time", "uvloop"}
"""What a decision has no business with. (`random.Random` arrives as an argument, for its type only.)"""

ONLY_IN = {
    "aiohttp": {"engine.bulk_api", "engine.simulator"},  # the API seam, and the server on its other side
    "uvloop": {"engine.__main__", "engine.simulator"},  # who runs a loop chooses its kind: two processes
    "signal": {
        "engine.__main__",
        "engine.simulator",  # a process of its own, which ends at a signal
        "engine.reading",  # a process of its own, which ignores them
        "engine.demo",  # ends the stand-in that it started
        "engine.notify",  # kills what a notify command leaves behind
    },
    "sqlite3": {"engine.journal", "engine.state_dir"},
    "aiolimiter": {"engine.turnstile"},
    "pydantic": {"engine.config", "engine.config_mistakes"},
    "argparse": {
        "engine.cli",
        # commands declare their own arguments
        "engine.check",
        "engine.demo",
        "engine.init_config",
        "engine.service",
        "engine.simulator",
    },
}
"""Libraries that stay behind one door, or a few."""

HEAVY_LIBRARIES = {"aiohttp", "polars", "pyarrow", "pydantic", "rich", "uvloop", "zstandard", "msgspec", "sqlite3"}
"""What takes long to import, and so never at the top of a module that `--help` needs."""

QUICK_MODULES = {"engine", "engine.__main__", "engine.cli", "engine.errors"}
"""What `python -m engine --help` imports."""

FORBIDDEN_NAMES = {"utils", "util", "helpers", "helper", "common", "core", "base", "manager", "misc"}
"""Names that explain nothing."""

LINES_MAX = 350


@dataclass(frozen=True)
class Import:
    """One import of a module: of what, and whether it happens when the module is imported and at run time."""

    target: str
    at_top: bool
    for_types_only: bool


def modules() -> dict[str, Path]:
    """Return {dotted name: file} of the package."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = modules()


@cache
def imports_of(module: str) -> tuple[Import, ...]:
    """Return the imports of a module, wherever they stand in it."""
    tree = ast.parse(MODULES[module].read_text(encoding="utf-8"))
    return tuple(_imports_in(tree, at_top=True, for_types_only=False))


def _imports_in(node: ast.AST, *, at_top: bool, for_types_only: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        match child:
            case ast.Import():
                for alias in child.names:
                    yield Import(alias.name, at_top, for_types_only)
            case ast.ImportFrom():
                assert child.level == 0, "imports are absolute"
                for alias in child.names:
                    full = f"{child.module}.{alias.name}"
                    yield Import(full if full in MODULES else child.module or "", at_top, for_types_only)
            case ast.If(test=ast.Name(id="TYPE_CHECKING")):
                yield from _imports_in(child, at_top=at_top, for_types_only=True)
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                yield from _imports_in(child, at_top=False, for_types_only=for_types_only)
            case _:
                yield from _imports_in(child, at_top=at_top, for_types_only=for_types_only)


def targets(module: str, *, types_too: bool = True) -> set[str]:
    return {found.target for found in imports_of(module) if types_too or not found.for_types_only}


def existing(names: set[str]) -> list[str]:
    """Return the modules of a table, all of which must exist: a table that names ghosts proves nothing."""
    assert names <= set(MODULES), f"no such modules: {names - set(MODULES)}"
    return sorted(names)


def test_the_reader_of_imports_sees_them() -> None:
    assert "engine.errors" in targets("engine.cli") | targets("engine.__main__")
    assert len(MODULES) > 20


@pytest.mark.parametrize("stage", existing(STAGES))
def test_stages_meet_only_in_the_pipeline(stage: str) -> None:
    assert not targets(stage) & (STAGES | WIRING | {"engine.journal", "engine.bulk_api"}) - {stage}
    assert stage in targets("engine.pipeline") or stage == "engine.chunker"  # which is cut into the producer's thread


@pytest.mark.parametrize("decision", existing(DECISIONS))
def test_decisions_are_pure(decision: str) -> None:
    libraries = {target.partition(".")[0] for target in targets(decision, types_too=False)}
    assert not targets(decision) & (STAGES | WIRING)
    assert not libraries & (IMPURE_LIBRARIES - ({"asyncio"} if decision == "engine.order" else {"random"}))


@pytest.mark.parametrize("module", existing(VALUES))
def test_values_know_nothing_else(module: str) -> None:
    assert {target for target in targets(module) if target.startswith("engine")} <= VALUES


@pytest.mark.parametrize("library", sorted(ONLY_IN))
def test_libraries_stay_behind_their_doors(library: str) -> None:
    users = {
        module
        for module in MODULES
        if library in {target.partition(".")[0] for target in targets(module, types_too=False)}
    }
    strays = {
        user for user in users if not any(user == door or user.startswith(f"{door}.") for door in ONLY_IN[library])
    }
    assert not strays
    assert users, f"nobody uses {library} any more: take it out of the table"


@pytest.mark.parametrize("module", existing(QUICK_MODULES))
def test_help_needs_nothing_heavy(module: str) -> None:
    at_once = {found.target for found in imports_of(module) if found.at_top and not found.for_types_only}
    assert not {target.partition(".")[0] for target in at_once} & HEAVY_LIBRARIES
    assert {target for target in at_once if target.startswith("engine")} <= QUICK_MODULES


def test_imports_have_one_direction() -> None:
    graph = {
        module: {target for target in targets(module, types_too=False) if target in MODULES and target != module}
        for module in MODULES
    }
    for package in [module for module in MODULES if MODULES[module].name == "__init__.py"]:
        graph[package] = {target for target in graph[package] if not target.startswith(f"{package}.")}
    list(TopologicalSorter(graph).static_order())  # raises CycleError, with the cycle


def test_the_engine_knows_neither_tests_nor_benchmarks() -> None:
    for module in MODULES:
        assert not {target.partition(".")[0] for target in targets(module)} & {
            "tests",
            "benchmarks",
            "pytest",
            "hypothesis",
        }


@pytest.mark.parametrize("module", sorted(MODULES))
def test_names_explain_and_modules_can_be_seen_whole(module: str) -> None:
    assert not set(module.split(".")) & FORBIDDEN_NAMES
    text = MODULES[module].read_text(encoding="utf-8")
    assert len(text.splitlines()) <= LINES_MAX
    if text.strip():
        assert ast.get_docstring(ast.parse(text)), f"{module} does not say what it is for"


def test_every_library_is_declared() -> None:
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    declared = {line.partition(">")[0].partition("<")[0].strip().replace("-", "_") for line in project["dependencies"]}
    declared |= {"pydantic", "pydantic_core"} if declared & {"pydantic", "pydantic_settings"} else set()
    used = {target.partition(".")[0] for module in MODULES for target in targets(module)}
    assert used - set(sys.stdlib_module_names) - {"engine"} <= declared
