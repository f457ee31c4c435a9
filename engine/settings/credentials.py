"""Where the token comes from: an environment variable or a file, read again whenever it is asked for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from engine.values import ConfigError

TOKEN_BYTES_MAX = 16_384
"""Longer than any token: servers refuse headers of this size."""


def read_token(variable: str, file: Path | None, environ: Mapping[str, str]) -> str:
    """Return the token. A file, if one is named, goes before the variable.

    A relative file is first looked for in `$CREDENTIALS_DIRECTORY`, where systemd puts what `LoadCredential=` loads.

    Raises:
        ConfigError: there is no token, or it holds what an HTTP header cannot carry. The message names the variable or
            the file, never the token.
    """
    if file is not None:
        origin = f"the token file {str(file)!r}"
        text = read_secret_file(file, environ, origin)
    else:
        origin = f"the environment variable {_shown(variable)}"
        if variable not in environ:
            raise ConfigError(f"{origin} is not set; put the token there, or name a file in api.token_file")
        text = environ[variable]
    token = text.strip()
    if not token:
        raise ConfigError(f"{origin} is empty; put the token there")
    if why := why_no_token(token):
        raise ConfigError(f"{origin} does not hold a token: it {why}")
    return token


def why_no_token(token: str) -> str | None:
    """Return what keeps `token` from being one, or None: it must fit into an HTTP header."""
    if not token:
        return "is empty"
    return None if re.fullmatch(r"[\x21-\x7e]+", token) else "has spaces, line breaks or characters beyond ASCII"


def read_secret_file(file: Path, environ: Mapping[str, str], origin: str) -> str:
    """Return what a small file holds, whose message calls it `origin`; relative files as `read_token` says.

    Raises:
        ConfigError: it cannot be read, or is too large.
    """
    try:
        with _credential(file, environ).open("rb") as stream:
            content = stream.read(TOKEN_BYTES_MAX + 1)
    except OSError as error:
        raise ConfigError(f"{origin} cannot be read: {error.strerror}") from None
    if len(content) > TOKEN_BYTES_MAX:
        raise ConfigError(f"{origin} is too large to be what it should be")
    return content.decode("utf-8", errors="replace")


def _credential(file: Path, environ: Mapping[str, str]) -> Path:
    directory = environ.get("CREDENTIALS_DIRECTORY")
    if directory and not file.is_absolute() and (Path(directory) / file).exists():
        return Path(directory) / file
    return file


def _shown(variable: str) -> str:
    """Return the name, unless it may be a token that somebody wrote in place of a name."""
    return variable if re.fullmatch(r"[A-Z_][A-Z0-9_]{0,40}", variable) else "that api.token_env names"
