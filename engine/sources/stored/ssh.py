"""Connections by SSH: whom we trust, who we are, and what failures mean."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.sources.spec import StoreAccess
from engine.sources.stored.addresses import Address
from engine.values import AccessRefused, ConfigError, EngineError, SourceMissing, SourceUntrusted, missing_extra

if TYPE_CHECKING:
    from asyncssh import SFTPClient

_CONNECTING_S = 10.0
_LOGIN_S = 30.0
_ALIVE_S = 20.0
"""After so much silence the server is asked whether it is still there, and three times in all."""


async def connect(place: str, access: StoreAccess) -> SFTPClient:
    """Return an SFTP session with `user@host:port`; what is left out is as `~/.ssh/config` says.

    Its host key must stand in `known_hosts`. `key_file` proves who we are, else an agent or the keys of `~/.ssh`.

    Raises:
        ConfigError: asyncssh is not installed, or the key file can't be used.
        asyncssh.Error: the connection was refused or failed; or one of Python's errors.
    """
    try:
        import asyncssh
    except ImportError:
        raise missing_extra("reading sftp:// addresses needs more than is installed", "stores") from None
    user, _, host = place.rpartition("@")
    host, port = _split_port(host)
    options: dict[str, Any] = {"connect_timeout": _CONNECTING_S, "login_timeout": _LOGIN_S}
    options |= {"keepalive_interval": _ALIVE_S, "keepalive_count_max": 3}
    options |= {"password_auth": False, "kbdint_auth": False}
    if user:
        options["username"] = user
    if port:
        options["port"] = port
    if access.key_file is not None:
        options |= {"client_keys": [_usable(access.key_file)], "agent_path": None}
    connection = await asyncssh.connect(host, **options)
    return await connection.start_sftp_client()


def refusal_of(error: Exception, address: Address) -> EngineError:
    """Return what a failure means that asking again does not mend."""
    import asyncssh

    name, host = f"{address.root}{address.key}", address.place.rpartition("@")[2]
    if isinstance(error, asyncssh.HostKeyNotVerifiable):
        return AccessRefused(
            f"{name} cannot be read: {host} shows a host key that is not the one in known_hosts, or none is there; "
            "ask its operator for the right one (ssh-keyscan shows what it says)"
        )
    if isinstance(error, asyncssh.PermissionDenied):
        return AccessRefused(f"{name} cannot be read: {host} refuses our keys")
    if isinstance(error, asyncssh.SFTPNoSuchFile | asyncssh.SFTPNoSuchPath):
        return SourceMissing(f"{name} does not exist")
    if isinstance(error, asyncssh.SFTPPermissionDenied):
        return SourceUntrusted(f"{name} cannot be read: permission denied")
    return SourceUntrusted(f"{name} cannot be read: the server answers with {type(error).__name__}")


def is_passing(error: Exception) -> bool:
    """Whether asking again may help."""
    import asyncssh

    if isinstance(error, asyncssh.HostKeyNotVerifiable | asyncssh.PermissionDenied):
        return False
    cut = (asyncssh.DisconnectError, asyncssh.ChannelOpenError, asyncssh.SFTPConnectionLost, asyncssh.SFTPNoConnection)
    return isinstance(error, (*cut, OSError, TimeoutError, EOFError))


def breaks_connection(error: Exception) -> bool:
    """Whether a connection is of no use any more; the server's answers about files leave it as it is."""
    import asyncssh

    return is_passing(error) or isinstance(error, asyncssh.Error)


def _split_port(host: str) -> tuple[str, int | None]:
    """Return host and port; an address of IPv6 stands in brackets."""
    name, colon, port = host.rpartition(":")
    if colon and port.isdecimal() and (":" not in name or name.endswith("]")):
        return name.strip("[]"), int(port)
    return host.strip("[]"), None


def _usable(key_file: str) -> str:
    """Return the path of a private key.

    Raises:
        ConfigError: it can't be read or is protected by a passphrase.
    """
    import asyncssh

    path = Path(key_file).expanduser()
    try:
        asyncssh.read_private_key(path)
    except (OSError, asyncssh.KeyImportError, asyncssh.KeyEncryptionError) as error:
        if "passphrase" in str(error).lower():
            raise ConfigError(
                f"source.key_file: {key_file} is protected by a passphrase; give it to an agent, and leave this out"
            ) from None
        raise ConfigError(f"source.key_file: {key_file} cannot be read as a private key") from None
    return str(path)
