"""`service`: print a ready unit for a supervisor, with this machine's paths and the settings of a configuration."""

from __future__ import annotations

import argparse
import os
import re
import sys
from datetime import time
from pathlib import Path

from engine.commands.arguments import add_config_argument
from engine.commands.service.units import UNITS, Facts, render
from engine.settings import Settings, as_deadline, load
from engine.sources import STDIN
from engine.values import ConfigError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.add_argument("kind", choices=tuple(UNITS), help="what starts the engine, or watches over it")
    add_config_argument(parser)
    parser.add_argument(
        "-o", "--output", type=Path, metavar="DIR", help="write the files there instead of printing them"
    )
    parser.add_argument("--name", default="bulk-sync", help="how the unit is called (%(default)s)")
    parser.add_argument("--at", default="02:00", metavar="HH:MM", help="when it starts, local time (%(default)s)")


def run(args: argparse.Namespace) -> int:
    """Print the files of a unit, or write them into a directory.

    Raises:
        ConfigError: the configuration or an argument is wrong, or a file is there already.
    """
    facts = facts_of(load(args.config), config=args.config, name=args.name, start_at=args.at)
    files = render(args.kind, facts)
    if args.output:
        _write(files, args.output)
    else:
        print("\n".join(files.values()), end="")
    return 0


def facts_of(settings: Settings, *, config: Path, name: str, start_at: str) -> Facts:
    """Gather what units are made from.

    Raises:
        ConfigError: an argument is wrong, or the source is standard input, which a supervisor cannot provide.
    """
    if not re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,40}[a-z0-9])?", name):
        raise ConfigError("--name must be small letters, digits and dashes")
    if settings.source.path == (STDIN,):
        raise ConfigError('source.path is "-": a supervisor has no standard input; name the files instead')
    token_file, textfile = settings.api.token_file, settings.notify.prometheus_textfile
    return Facts(
        name=name,
        python=sys.executable,
        config=config.absolute(),
        working_dir=Path.cwd(),
        state_dir=settings.state.dir.absolute(),
        user=_user(),
        start_at=_time_of_day(start_at),
        time_zone=_time_zone(),
        sources=tuple(str(Path(path).absolute()) for path in settings.source.path),
        token_file=token_file.absolute() if token_file else None,
        token_env=settings.api.token_env,
        textfile=textfile.absolute() if textfile else None,
        timeout_s=settings.api.timeout_s,
        drain_timeout_s=settings.upload.drain_timeout_s,
        deadline=settings.upload.deadline,
    )


def _write(files: dict[str, str], directory: Path) -> None:
    for name in files:
        if (directory / name).exists():
            raise ConfigError(f"{directory / name} is there already; move it away first")
    for name, content in files.items():
        try:
            with (directory / name).open("x", encoding="utf-8") as file:
                file.write(content)
            (directory / name).chmod(0o644)  # units are no secrets, and supervisors read them as other users
        except OSError as error:
            raise ConfigError(f"{directory / name} cannot be written: {error.strerror}") from None
        print(directory / name)


def _time_of_day(text: str) -> time:
    try:
        moment: time = as_deadline(text)
    except ValueError as error:
        raise ConfigError(f"--at {error}") from None
    return moment


def _user() -> str:
    import pwd

    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # in containers, users need not have names
        return str(os.getuid())


def _time_zone() -> str:
    """Return the name of this machine's time zone, as well as it can be known."""
    _, found, zone = os.path.realpath("/etc/localtime").partition("/zoneinfo/")
    return os.environ.get("TZ", "").lstrip(":") or (zone if found else "Etc/UTC")
