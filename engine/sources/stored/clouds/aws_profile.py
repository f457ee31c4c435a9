"""Profiles of the AWS command line: the keys, the region and the endpoint that its two files hold.

obstore knows the variables, the roles of instances and containers and web identities, but not these files.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from collections.abc import Mapping
from configparser import ConfigParser, Error
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from engine.values import AccessRefused, ConfigError

if TYPE_CHECKING:
    from obstore.store import S3Credential

_PROCESS_TIMEOUT_S = 60
_WAYS_TO_KEYS = ("aws_access_key_id", "credential_process", "sso_session", "sso_start_url", "role_arn")


class AwsProfile:
    """What one profile says. `name` is the one that is chosen by `AWS_PROFILE`, else "default"."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self.name = environment.get("AWS_PROFILE") or environment.get("AWS_DEFAULT_PROFILE") or "default"
        config = _read(environment.get("AWS_CONFIG_FILE", "~/.aws/config"))
        section = self.name if self.name == "default" else f"profile {self.name}"
        keys = _read(environment.get("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials"))
        self._values = {**_section(config, section), **_section(keys, self.name)}
        if self.name != "default" and not self._values:
            raise ConfigError(f"AWS_PROFILE names the profile {self.name!r}, which ~/.aws/config does not have")

    @property
    def region(self) -> str | None:
        """The region of its buckets."""
        return self._values.get("region")

    @property
    def endpoint(self) -> str | None:
        """Where its service is, if that is not AWS."""
        return self._values.get("endpoint_url")

    @property
    def says_who(self) -> bool:
        """Whether it holds keys, or a way to get some."""
        return bool(
            self._values.keys() & {"aws_access_key_id", "credential_process", "sso_session", "sso_start_url"}
        ) or ("role_arn" in self._values)

    def credential(self) -> S3Credential:
        """Return its keys; asked for again once they have expired.

        Raises:
            AccessRefused: it has none that can be read here.
        """
        process = self._values.get("credential_process")
        key, secret = self._values.get("aws_access_key_id"), self._values.get("aws_secret_access_key")
        if key and secret:
            token = self._values.get("aws_session_token")
            return {"access_key_id": key, "secret_access_key": secret, "token": token, "expires_at": None}
        if process:
            return _credential_of(process, self.name)
        raise AccessRefused(
            f"the AWS profile {self.name!r} holds no keys, but a way to them that is not known here (SSO or a role); "
            "put credential_process = aws configure export-credentials --profile NAME --format process into a profile"
        )


def _read(path: str) -> ConfigParser:
    parser = ConfigParser(interpolation=None, strict=False, default_section="")
    try:
        parser.read_string(Path(path).expanduser().read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        pass
    except (OSError, Error, UnicodeDecodeError):
        raise ConfigError(f"{path} cannot be read as a file of AWS profiles") from None
    return parser


def _section(parser: ConfigParser, name: str) -> dict[str, str]:
    return dict(parser[name]) if parser.has_section(name) else {}


def _credential_of(command: str, profile: str) -> S3Credential:
    """Run a `credential_process`, which prints keys as JSON."""
    refused = AccessRefused(f"the credential_process of the AWS profile {profile!r} gave no keys")
    try:
        done = subprocess.run(  # noqa: S603 - the user's own command
            shlex.split(command), stdin=subprocess.DEVNULL, capture_output=True, timeout=_PROCESS_TIMEOUT_S, check=True
        )
        keys = json.loads(done.stdout)
        expiration = keys.get("Expiration")
        return {
            "access_key_id": keys["AccessKeyId"],
            "secret_access_key": keys["SecretAccessKey"],
            "token": keys.get("SessionToken"),
            "expires_at": datetime.fromisoformat(expiration) if expiration else None,
        }
    except (OSError, subprocess.SubprocessError, ValueError, KeyError, AttributeError):
        raise refused from None
