"""The suite that every store passes, against a real sshd; and what only SFTP can get wrong."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.sources.spec import StoreAccess
from engine.sources.stored.sftp import SftpStore
from engine.values.errors import AccessRefused, ConfigError, Interrupted, SourceUntrusted
from tests.places.cutting_proxy import CuttingProxy
from tests.places.sshd import KEY_TYPES, SshServer
from tests.sources.stored.test_store_contract import Place, TestListing, TestOpening, TestVersions, read_all

__all__ = ["TestListing", "TestOpening", "TestVersions"]

LARGE = b"".join(b"%015d\n" % number for number in range(600_000))


@pytest.fixture(autouse=True)
def home(ssh_server: SshServer, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(ssh_server.home))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    ssh_server.trust(ssh_server.port)
    return ssh_server.home


@pytest.fixture
def empty(ssh_server: SshServer, folder: Path) -> Place:
    changed_at: dict[str, float] = {}

    def put(key: str, content: bytes) -> None:
        path = folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        if key in changed_at:  # SFTP tells whole seconds
            os.utime(path, (changed_at[key] + 1, changed_at[key] + 1))
        changed_at[key] = path.stat().st_mtime

    root = f"{ssh_server.address()}{folder.name}/"
    return Place(SftpStore(StoreAccess()), root, put, lambda key: (folder / key).unlink())


@pytest.fixture
def proxy(ssh_server: SshServer) -> Iterator[CuttingProxy]:
    with CuttingProxy(ssh_server.port) as proxy:
        ssh_server.trust(proxy.port)
        yield proxy


def test_a_large_file_arrives_whole_though_keys_are_exchanged_on_the_way(empty: Place) -> None:
    empty.put("large", LARGE)
    assert empty.content("large") == LARGE


def test_cut_connections_go_on_where_they_were_cut(ssh_server: SshServer, proxy: CuttingProxy, folder: Path) -> None:
    (folder / "large").write_bytes(LARGE)
    store = SftpStore(StoreAccess())
    (stored,) = store.list(f"{ssh_server.address(proxy.port)}{folder.name}/large")
    proxy.cut_after = 6_000_000
    with store.open(stored) as stream:
        assert read_all(stream) == LARGE
    assert proxy.cuts >= 1


def test_a_server_that_stays_away_is_given_up(ssh_server: SshServer, proxy: CuttingProxy, folder: Path) -> None:
    (folder / "large").write_bytes(LARGE)
    store = SftpStore(StoreAccess(retry_window_s=0.3))
    (stored,) = store.list(f"{ssh_server.address(proxy.port)}{folder.name}/large")
    with store.open(stored) as stream:
        stream.read(10)
        proxy.refuses = True
        proxy.cut_all()
        with pytest.raises(Interrupted, match=r"large could not be read for 0 s \(no connection\); run"):
            read_all(stream)


def test_a_file_that_shrinks_while_it_is_read_is_not_trusted(empty: Place, folder: Path) -> None:
    empty.put("large", LARGE)
    (stored,) = empty.store.list(f"{empty.root}large")
    with empty.store.open(stored) as stream:
        stream.read(10)
        os.truncate(folder / "large", 1_000_000)
        with pytest.raises(SourceUntrusted, match=r"large ended after [\d,]+ of 9,600,000 bytes while it was read"):
            read_all(stream)


@pytest.mark.parametrize("type_", KEY_TYPES)
def test_one_known_host_key_of_any_type_is_enough(ssh_server: SshServer, place: Place, type_: str) -> None:
    ssh_server.trust(ssh_server.port, type_)
    assert len(SftpStore(StoreAccess()).list(f"{place.root}a.csv")) == 1


def test_an_unknown_host_is_refused(ssh_server: SshServer, place: Place) -> None:
    ssh_server.trust(1)
    with pytest.raises(AccessRefused, match=r"127\.0\.0\.1:\d+ shows a host key that is not the one in known_hosts"):
        SftpStore(StoreAccess()).list(f"{place.root}a.csv")


def test_a_changed_host_key_is_refused(ssh_server: SshServer, place: Place, tmp_path: Path) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "other"], check=True)
    other = (tmp_path / "other.pub").read_text(encoding="utf-8").strip()
    known = f"[127.0.0.1]:{ssh_server.port} {other}\n"
    (ssh_server.home / ".ssh" / "known_hosts").write_text(known, encoding="utf-8")
    with pytest.raises(AccessRefused, match="shows a host key that is not the one in known_hosts"):
        SftpStore(StoreAccess()).list(f"{place.root}a.csv")


def test_a_key_the_server_does_not_know_is_refused(place: Place, tmp_path: Path) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "other"], check=True)
    with pytest.raises(AccessRefused, match=r"127\.0\.0\.1:\d+ refuses our keys"):
        SftpStore(StoreAccess(key_file=str(tmp_path / "other"))).list(f"{place.root}a.csv")


def test_the_key_file_is_used(ssh_server: SshServer, place: Place, tmp_path: Path) -> None:
    key = ssh_server.home / ".ssh" / "id_ed25519"
    key.rename(tmp_path / "key")
    try:
        with pytest.raises(AccessRefused):
            SftpStore(StoreAccess()).list(f"{place.root}a.csv")
        assert len(SftpStore(StoreAccess(key_file=str(tmp_path / "key"))).list(f"{place.root}a.csv")) == 1
    finally:
        (tmp_path / "key").rename(key)


def test_a_key_file_that_can_not_be_used_is_a_mistake(place: Place, tmp_path: Path) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "secret", "-f", tmp_path / "locked"], check=True)
    (tmp_path / "none").write_text("no key", encoding="utf-8")
    for name, words in (
        ("locked", "protected by a passphrase"),
        ("none", "cannot be read"),
        ("gone", "cannot be read"),
    ):
        with pytest.raises(ConfigError, match=f"source.key_file: .*{words}"):
            SftpStore(StoreAccess(key_file=str(tmp_path / name))).list(f"{place.root}a.csv")


def test_links_are_followed_and_circles_end(empty: Place, folder: Path) -> None:
    empty.put("a/b.csv", b"x")
    (folder / "a" / "round").symlink_to(folder)
    (folder / "c.csv").symlink_to(folder / "a" / "b.csv")
    assert empty.paths("**/*.csv") == ["a/b.csv", "c.csv"]
