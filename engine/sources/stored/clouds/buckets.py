"""Buckets as obstore reaches them: by each cloud's usual variables, profiles and roles, and by the settings."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from datetime import timedelta
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, TypeAlias, cast
from urllib.parse import urlsplit

from engine.sources.spec import StoreAccess
from engine.sources.stored.addresses import Address
from engine.sources.stored.clouds.aws_profile import AwsProfile
from engine.values import ConfigError, missing_extra

if TYPE_CHECKING:
    from obstore.store import AzureConfig, AzureStore, ClientConfig, GCSConfig, GCSStore, RetryConfig, S3Config, S3Store

    Bucket: TypeAlias = S3Store | GCSStore | AzureStore

_SILENCE = timedelta(seconds=60)
_CONNECTING = timedelta(seconds=10)
_WHOLE_REQUEST = timedelta(days=1)
"""No limit: what a slow network brings in pieces is read on. obstore would end a request after 30 s."""

_S3_ROLES = (
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
)


def open_bucket(address: Address, access: StoreAccess) -> Bucket:
    """Return the bucket of an address; nothing is asked of it yet, and it never asks twice by itself.

    Raises:
        AccessRefused: a profile is chosen that holds no keys.
        ConfigError: obstore is not installed, or the endpoint is plain http to another machine.
        obstore.exceptions.BaseError: something is missing in the environment.
    """
    try:
        import obstore.store  # noqa: F401 - here, because it takes its time and is an extra
    except ImportError:
        raise missing_extra(f"reading {address.scheme}:// addresses needs more than is installed", "stores") from None
    return _OPENERS[address.scheme](address.place, access, os.environ)


def _s3(bucket: str, access: StoreAccess, environment: Mapping[str, str]) -> Bucket:
    from obstore.store import S3Store

    profile = AwsProfile(environment)
    variables = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")
    endpoint = access.endpoint or _first(environment, *variables) or profile.endpoint
    region = access.region or _first(environment, "AWS_REGION", "AWS_DEFAULT_REGION") or profile.region
    config: S3Config = {"region": region or "us-east-1"}
    if endpoint:
        config["endpoint"] = config["aws_endpoint_url_s3"] = endpoint
    if not _first(environment, "AWS_ACCESS_KEY_ID", "AWS_SKIP_SIGNATURE", *_S3_ROLES) and profile.says_who:
        profile.credential()  # what is wrong with it shows here: obstore would tell it as a failure of its own
        return S3Store(bucket, config=config, **_as_client(endpoint), credential_provider=lambda: profile.credential())
    return S3Store(bucket, config=config, **_as_client(endpoint))


def _gs(bucket: str, access: StoreAccess, environment: Mapping[str, str]) -> Bucket:
    from obstore.store import GCSStore

    endpoint = access.endpoint or _first(environment, "GOOGLE_BASE_URL", "STORAGE_EMULATOR_HOST")
    config: GCSConfig = {"base_url": endpoint} if endpoint else {}
    # Without this header GCS unpacks what is stored with Content-Encoding: gzip, and sizes and ranges mean nothing.
    return GCSStore(bucket, config=config, **_as_client(endpoint, {"Accept-Encoding": "gzip"}))


def _az(container: str, access: StoreAccess, environment: Mapping[str, str]) -> Bucket:
    from obstore.store import AzureStore

    given = _connection_string(environment.get("AZURE_STORAGE_CONNECTION_STRING", ""))
    account = _first(environment, "AZURE_STORAGE_ACCOUNT_NAME", "AZURE_STORAGE_ACCOUNT") or given.get("AccountName")
    key = _first(environment, "AZURE_STORAGE_ACCOUNT_KEY", "AZURE_STORAGE_KEY") or given.get("AccountKey")
    signature = _first(environment, "AZURE_STORAGE_SAS_TOKEN", "AZURE_STORAGE_SAS_KEY") or given.get(
        "SharedAccessSignature"
    )
    endpoint = access.endpoint or _first(environment, "AZURE_STORAGE_ENDPOINT") or given.get("BlobEndpoint")
    config = {"account_name": account, "account_key": key, "sas_key": signature, "endpoint": endpoint}
    known = cast("AzureConfig", {name: value for name, value in config.items() if value})
    return AzureStore(container, config=known, **_as_client(endpoint))


_OPENERS: Mapping[str, Callable[[str, StoreAccess, Mapping[str, str]], Bucket]] = {"s3": _s3, "gs": _gs, "az": _az}


def _as_client(endpoint: str | None, headers: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return how requests are made; plain http only to this machine."""
    is_plain = endpoint is not None and not endpoint.startswith("https://")
    if endpoint is not None and is_plain and not _is_this_machine(urlsplit(endpoint).hostname or ""):
        raise ConfigError("source.endpoint must begin with https:// (http:// is only for this machine)")
    client: ClientConfig = {
        "allow_http": is_plain,
        "connect_timeout": _CONNECTING,
        "read_timeout": _SILENCE,
        "timeout": _WHOLE_REQUEST,
    }
    if headers:
        client["default_headers"] = dict(headers)
    retries: RetryConfig = {"max_retries": 0}
    return {"client_options": client, "retry_config": retries}


def _is_this_machine(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _first(environment: Mapping[str, str], *names: str) -> str | None:
    return next((environment[name] for name in names if environment.get(name)), None)


def _connection_string(text: str) -> dict[str, str]:
    """Take apart what Azure's portal shows: `AccountName=…;AccountKey=…;BlobEndpoint=…`."""
    pairs = (part.partition("=") for part in text.split(";") if "=" in part)
    return {name.strip(): value.strip() for name, _, value in pairs}
