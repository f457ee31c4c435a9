"""Private files: who may read them whatever the umask, what a planted link achieves, and what a failure leaves."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.state.private_files import make_private_dir, write_private_file
from engine.values.errors import StateFailed


@pytest.fixture(params=[0o000, 0o022, 0o777], ids=lambda umask: f"umask {umask:03o}")
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """What a planted link points to."""
    path = tmp_path / "elsewhere"
    path.write_bytes(b"theirs")
    path.chmod(0o644)
    return path


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def leftovers(directory: Path) -> list[str]:
    return [path.name for path in directory.iterdir() if path.name.endswith(".tmp")]


@pytest.mark.usefixtures("umask")
def test_modes_do_not_depend_on_the_umask(tmp_path: Path) -> None:
    make_private_dir(tmp_path / "runs")
    write_private_file(tmp_path / "runs" / "report.json", b"{}")
    write_private_file(tmp_path / "public", b"", mode=0o644)
    modes = {path.name: mode(path) for path in tmp_path.rglob("*")}
    assert modes == {"runs": 0o700, "report.json": 0o600, "public": 0o644}


def test_a_directory_of_ours_is_tightened_and_keeps_its_files(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir(mode=0o755)
    (tmp_path / "state" / "journal").touch()
    make_private_dir(tmp_path / "state")
    assert mode(tmp_path / "state") == 0o700
    assert (tmp_path / "state" / "journal").exists()


def test_a_directory_is_made_with_its_parents(tmp_path: Path) -> None:
    make_private_dir(tmp_path / "a" / "b" / "c")
    assert mode(tmp_path / "a" / "b" / "c") == 0o700


def test_a_link_or_a_file_is_no_directory(tmp_path: Path, elsewhere: Path) -> None:
    (tmp_path / "target").mkdir(mode=0o755)
    (tmp_path / "link").symlink_to("target")
    for path in (tmp_path / "link", elsewhere):
        with pytest.raises(StateFailed, match="not a directory"):
            make_private_dir(path)
    assert mode(tmp_path / "target") == 0o755


@pytest.mark.parametrize(
    ("we", "owner", "is_refused"),
    [(1000, 1000, False), (1000, 0, False), (1000, 1001, True), (1000, 1, True), (0, 1000, False), (1, 1000, True)],
)
def test_a_directory_of_another_user_is_refused_but_not_to_root_and_not_one_of_root(
    we: int, owner: int, is_refused: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_private_dir(tmp_path / "state")
    try:
        os.chown(tmp_path / "state", owner, -1)
    except PermissionError:
        pytest.skip("only root may give a directory away")
    monkeypatch.setattr("os.geteuid", lambda: we)
    if is_refused:
        with pytest.raises(StateFailed, match=rf"belongs to another user \(uid {owner}\)"):
            make_private_dir(tmp_path / "state")
    else:
        make_private_dir(tmp_path / "state")


def test_a_planted_link_is_replaced_and_what_it_points_to_is_untouched(tmp_path: Path, elsewhere: Path) -> None:
    (tmp_path / "report.json").symlink_to(elsewhere)
    write_private_file(tmp_path / "report.json", b"ours")
    assert not (tmp_path / "report.json").is_symlink()
    assert (tmp_path / "report.json").read_bytes() == b"ours"
    assert elsewhere.read_bytes() == b"theirs"


def test_a_failure_halfway_leaves_the_old_file_and_no_draft(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: int) -> None:
        raise ZeroDivisionError

    write_private_file(tmp_path / "report.json", b"old")
    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(ZeroDivisionError):
        write_private_file(tmp_path / "report.json", b"half of the n")
    assert (tmp_path / "report.json").read_bytes() == b"old"
    assert leftovers(tmp_path) == []


def test_a_reader_sees_the_old_file_until_the_new_one_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bytes] = []
    write_private_file(tmp_path / "report.json", b"old")
    monkeypatch.setattr(os, "fsync", lambda _: seen.append((tmp_path / "report.json").read_bytes()))
    write_private_file(tmp_path / "report.json", b"new")
    assert seen == [b"old", b"new"]  # the draft is durable before it takes the place, the name after it
    assert (tmp_path / "report.json").read_bytes() == b"new"


def test_a_full_disk_is_a_state_failure_that_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(StateFailed, match=r"report\.json: cannot write the file: No such file"):
        write_private_file(tmp_path / "missing" / "report.json", b"")
    (tmp_path / "taken").mkdir()
    with pytest.raises(StateFailed, match="taken: cannot write the file"):
        write_private_file(tmp_path / "taken", b"")
    assert leftovers(tmp_path) == []
