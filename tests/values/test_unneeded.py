"""Arrow imports pandas and numpy where they are installed; the engine's own processes go without."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

CONFIG = """
[api]
url = "http://127.0.0.1:9/api/v1"
campaign_id = "camp"
[source]
path = "loans.csv"
id = "loan_id"
"""


@pytest.mark.parametrize("program", ["engine.values; engine.values.leave_out_pandas()", "sys"])
def test_arrow_does_without_where_it_is_told_to(program: str) -> None:
    pytest.importorskip("pandas")
    code = f"import sys, {program}; import pyarrow; pyarrow.scalar(1); print('pandas' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == f"{program == 'sys'}\n"


@pytest.mark.parametrize("is_ours", [True, False])
def test_arrow_is_alone_only_in_processes_of_our_own_and_numpy_can_be_had_later(is_ours: bool) -> None:
    code = (
        "import sys\nfrom engine.values import arrow_alone, leave_out_pandas\n"
        f"if {is_ours}: leave_out_pandas()\n"
        "with arrow_alone(): import pyarrow.compute, pyarrow.csv, pyarrow.parquet\n"
        "print('numpy' in sys.modules)\n"
        "import numpy\n"
        "print(pyarrow.array(range(3)).to_pylist(), numpy.arange(3).tolist())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.splitlines() == [str(not is_ours), "[0, 1, 2] [0, 1, 2]"]


def test_another_thread_imports_numpy_at_the_same_time() -> None:
    code = (
        "import threading\nfrom engine.values import arrow_alone, leave_out_pandas\nleave_out_pandas()\n"
        "with arrow_alone():\n"
        "    other = threading.Thread(target=lambda: print(__import__('numpy').__name__))\n"
        "    other.start()\n"
        "    other.join()\n"
        "    import pyarrow\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "numpy\n"


def test_a_command_that_reads_columns_does_without(tmp_path: Path) -> None:
    pytest.importorskip("pandas")
    (tmp_path / "config.toml").write_text(CONFIG)
    (tmp_path / "loans.csv").write_text("loan_id,dpd\nL1,3\n")
    command = [sys.executable, "-X", "importtime", "-m", "engine", "sync", "--dry-run"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60)
    assert "pyarrow.lib" in done.stderr
    assert "pandas._libs" not in done.stderr
    assert "numpy._core" not in done.stderr
