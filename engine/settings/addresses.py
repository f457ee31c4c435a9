"""The addresses of those who are told by chat or e-mail: any may be as good as a password, so no message holds one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from engine.settings.credentials import read_secret_file
from engine.values import ConfigError

OF_VARIABLE = "env:"
OF_FILE = "file:"

OVERRIDE = "ENGINE_NOTIFY__URLS"
"""The variable that overrides the key holds addresses, too."""


def as_address(value: Any) -> Any:
    """Accept an address of Apprise, or where addresses stand: `env:NAME` or `file:PATH`."""
    if not isinstance(value, str):
        return value
    if value.startswith(OF_VARIABLE):
        good = re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", value.removeprefix(OF_VARIABLE)) is not None
    elif value.startswith(OF_FILE):
        good = bool(_path_in(value).strip())
    else:
        good = re.match(r"[A-Za-z0-9]+://\S", value) is not None
    if not good:
        raise ValueError('must be addresses of Apprise such as "slack://…", or where they are: "env:NAME", "file:PATH"')
    return value


def read_addresses(urls: Sequence[str], environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return the addresses that `urls` are or name. Variables and files hold one a line; `#` begins a comment.

    Raises:
        ConfigError: naming all variables and files that are missing or hold none.
    """
    addresses: list[str] = []
    mistakes: list[str] = []
    for url in urls:
        try:
            addresses += _named_by(url, environ)
        except ConfigError as error:
            mistakes.append(str(error))
    if mistakes:
        raise ConfigError(f"notify.urls: {'; '.join(mistakes)}")
    return tuple(addresses)


def variables_of(urls: Sequence[str]) -> tuple[str, ...]:
    """Return the names of the variables that may hold addresses."""
    return (OVERRIDE, *(url.removeprefix(OF_VARIABLE) for url in urls if url.startswith(OF_VARIABLE)))


def _named_by(url: str, environ: Mapping[str, str]) -> list[str]:
    if url.startswith(OF_VARIABLE):
        name = url.removeprefix(OF_VARIABLE)
        where = f"the environment variable {name}"
        if name not in environ:
            raise ConfigError(f"{where} is not set")
        text = environ[name]
    elif url.startswith(OF_FILE):
        path = Path(_path_in(url))
        where = f"the file {str(path)!r}"
        text = read_secret_file(path, environ, where)
    else:
        return [url]
    if not (found := list(_lines(text))):
        raise ConfigError(f"{where} holds no address")
    return found


def _path_in(url: str) -> str:
    """Return the path of `file:PATH`, which may also be written as the URL `file:///PATH`."""
    return url.removeprefix(OF_FILE).removeprefix("//")


def _lines(text: str) -> Iterator[str]:
    lines = (line.strip() for line in text.splitlines())
    return (line for line in lines if line and not line.startswith("#"))
