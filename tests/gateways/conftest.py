"""What tests with real gateways share: an engine installation beside a fresh stand-in, and the gateways' logs."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from tests.acceptance.conftest import make_engine as make_engine

SHOWN_CHARACTERS = 6_000


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the end of each log when a test fails."""
    report = yield
    directory = getattr(item, "funcargs", {}).get("tmp_path")
    if report.when == "call" and report.failed and directory:
        for log in sorted(directory.rglob("*.log")):
            text = log.read_text(encoding="utf-8", errors="replace")[-SHOWN_CHARACTERS:]
            report.sections.append((str(log.relative_to(directory)), text))
    return report
