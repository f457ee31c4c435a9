"""A real SSH server that gives out files: OpenSSH's sshd, as whoever runs the tests."""

from __future__ import annotations

import getpass
import os
import shutil
import subprocess
from pathlib import Path

from tests.gateways.program import Program, executable
from tests.ports import free_port

KEY_TYPES = ("ed25519", "rsa", "ecdsa")


class SshServer(Program):
    """sshd with host keys of several types, which takes the keys of `home`, and gives out `files`.

    It asks for new session keys after each megabyte. `home` is that of a client: its `known_hosts` is hashed.
    """

    def __init__(self, directory: Path) -> None:
        self.home = directory / "home"
        self.files = directory / "files"
        self.files.mkdir()
        (self.home / ".ssh").mkdir(parents=True, mode=0o700)
        port = free_port()
        self.keys = {type_: _make_key(directory / f"host_{type_}", type_) for type_ in KEY_TYPES}
        _make_key(self.home / ".ssh" / "id_ed25519", "ed25519")
        shutil.copy(self.home / ".ssh" / "id_ed25519.pub", directory / "authorized_keys")
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(exist_ok=True)  # sshd insists on it
        lines = [f"HostKey {directory}/host_{type_}" for type_ in KEY_TYPES]
        lines += [f"Port {port}", "ListenAddress 127.0.0.1", f"PidFile {directory}/sshd.pid", "UsePAM no"]
        lines += [f"AuthorizedKeysFile {directory}/authorized_keys", "StrictModes no", "PermitRootLogin yes"]
        lines += ["PasswordAuthentication no", "KbdInteractiveAuthentication no", "RekeyLimit 1M"]
        lines += ["Subsystem sftp internal-sftp", "MaxStartups 100"]
        (directory / "sshd_config").write_text("\n".join(lines) + "\n", encoding="utf-8")
        self.trust(port)
        super().__init__(directory, port, [executable("sshd"), "-D", "-e", "-f", str(directory / "sshd_config")])

    def trust(self, port: int, *types: str) -> None:
        """Let the client know the host keys of these types (all by default) of the server at a port."""
        known = self.home / ".ssh" / "known_hosts"
        entries = [f"[127.0.0.1]:{port} {self.keys[type_]}" for type_ in types or KEY_TYPES]
        known.write_text("\n".join(entries) + "\n", encoding="utf-8")
        subprocess.run(["ssh-keygen", "-q", "-H", "-f", known], check=True, capture_output=True)

    def address(self, port: int | None = None) -> str:
        """Return what stands before the path of a file below `files`; another port is that of a proxy."""
        return f"sftp://{getpass.getuser()}@127.0.0.1:{port or self.port}{self.files}/"


def _make_key(path: Path, type_: str) -> str:
    """Make a key pair; return the public one."""
    subprocess.run(["ssh-keygen", "-q", "-t", type_, "-N", "", "-f", path], check=True)
    return path.with_name(f"{path.name}.pub").read_text(encoding="utf-8").strip()
