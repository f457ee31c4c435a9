"""Everything the stand-in can be told, in one table.

Each field of `Settings` is a flag of `simulate` (`latency_ms` is `--latency-ms`) and a key of
`POST /_control/settings`.
"""

from __future__ import annotations

import argparse
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import msgspec

from engine.simulator.model.faults import FaultRule
from engine.simulator.model.limits import parse_schedule
from engine.values import CHUNK_RECORDS_MAX

CHOICES = {
    "outage_kind": ("503", "reset", "refused"),
    "error_shape": (
        "id", "_id", "loan_id", "lead_id", "recordId", "index", "nested", "text", "unnamed", "unknown-id"
    ),
    "rate_headers": ("none", "ratelimit", "x-ratelimit"),
    "hold": ("nothing", "before-apply", "before-reply"),
}  # fmt: skip
"""The settings that take one of a few words."""


def _setting(default: Any, about: str) -> Any:
    """Declare one setting: its default, and the help of its flag."""
    return field(default=default, metadata={"about": about})


@dataclass(frozen=True, slots=True)
class Settings:
    """How the stand-in behaves. Times count from the first bulk request, in seconds."""

    token: str = _setting("", "the token to accept (default: a random one)")
    next_token: str = _setting("", "the token to accept instead, once the token has rotated")
    rotate_after: int = _setting(0, "rotate the token after this many bulk requests (0: never)")
    campaign: str = _setting("camp_simulated", "the one campaign that exists")
    other_campaign: tuple[str, ...] = _setting((), "another campaign that exists; a last * stands for any ending")
    forbidden_campaign: tuple[str, ...] = _setting((), "a campaign that exists, but not for this token: 403")
    closed_campaign: tuple[str, ...] = _setting((), "a campaign for which every request is refused: 400")
    org: str = _setting("", "refuse requests whose x-org-id is not this")

    latency_ms: float = _setting(0.0, "how long a request takes")
    latency_per_record_us: float = _setting(0.0, "how much longer it takes for each record")
    capacity: int = _setting(0, "requests served at a time; others queue (0: no limit)")
    conflicts_above: int = _setting(0, "report version conflicts (`retried`) above this many in flight (0: never)")

    rate: float = _setting(0.0, "requests allowed a second; others get 429 (0: no limit)")
    burst: float = _setting(1.0, "requests allowed at once after a pause")
    rate_window_s: float = _setting(0.0, "count requests in fixed windows this long instead of a token bucket")
    rate_sliding_s: float = _setting(0.0, "count all requests of the last seconds, refused ones too, as a stick table")
    rate_schedule: str = _setting("", "rates over time as SECOND:RATE,… such as 0:20,10:10,20:20")
    retry_after: str = _setting("seconds", "the Retry-After of a 429: seconds, date, none, or any text sent as it is")
    rate_status: int = _setting(429, "the status of a request above the rate; a gateway may say 503")
    rate_headers: str = _setting("none", "rate limit headers on every reply")

    seed: int = _setting(0, "the seed of everything random (0: a random one, printed)")
    error_share: float = _setting(0.0, "the share of requests that fail with 503")
    outage: str = _setting("", "a time of failure as FROM:TO, such as 5:8")
    outage_kind: str = _setting("503", "what an outage looks like")
    fault: tuple[str, ...] = _setting(
        (), "a fault as NAME[:WHEN]; WHEN: a share, every=N, first=N, after=N, at=N (a wrong NAME lists all)"
    )
    late_s: float = _setting(1.0, "seconds after which what the fault `NNN-late` has answered is applied")
    redirect_to: str = _setting("http://127.0.0.1:9/", "where the fault `redirect` points")
    clock_skew_s: float = _setting(0.0, "how far the server's clock (Date, Retry-After dates) is ahead")

    records_max: int = _setting(CHUNK_RECORDS_MAX, "records allowed in a request")
    max_body_bytes: int = _setting(0, "answer 413 to larger bodies (0: no limit)")
    poison: tuple[str, ...] = _setting((), "an id that makes the whole request fail")
    poison_share: float = _setting(0.0, "the share of ids that do so, chosen by seed")
    poison_status: int = _setting(400, "the status of a request with a poison record")
    reject: tuple[str, ...] = _setting((), "an id whose update is refused")
    reject_share: float = _setting(0.0, "the share of ids that are refused, chosen by seed")
    error_shape: str = _setting("id", "how errors name their record")
    quote: bool = _setting(False, "quote the values of a record that is refused in the error")
    partial_status: int = _setting(200, "the status when some records were refused")
    all_failed_status: int = _setting(0, "the status when all records were refused (0: as for some)")

    keepalive_s: float = _setting(75.0, "close a connection that was idle this long")
    hold: str = _setting("nothing", "hold every bulk request at this point until it is released")
    count_only: bool = _setting(False, "count records without reading or keeping them (limits and faults still work)")

    def __post_init__(self) -> None:
        for name, words in CHOICES.items():
            if getattr(self, name) not in words:
                raise ValueError(f"{name} must be one of {', '.join(words)}")
        for rule in self.fault:
            FaultRule.parse(rule)
        parse_schedule(self.rate_schedule)
        self.outage_span  # noqa: B018 - parsing it is the check

    @property
    def outage_span(self) -> tuple[float, float]:
        """When the outage begins and ends; both 0 without one.

        Raises:
            ValueError: it is not FROM:TO.
        """
        if not self.outage:
            return 0.0, 0.0
        begins, _, ends = self.outage.partition(":")
        try:
            return float(begins), float(ends)
        except ValueError:
            raise ValueError(f"outage {self.outage!r} is not FROM:TO in seconds") from None

    def knows(self, campaign: object) -> bool:
        """Whether there is such a campaign."""
        if campaign == self.campaign or campaign in (*self.forbidden_campaign, *self.closed_campaign):
            return True
        return isinstance(campaign, str) and any(
            campaign.startswith(other[:-1]) if other.endswith("*") else campaign == other
            for other in self.other_campaign
        )

    def changed(self, changes: Mapping[str, Any]) -> Settings:
        """Return these settings with some of them changed.

        Raises:
            ValueError: a name is unknown, or a value has the wrong type or meaning.
        """
        unknown = changes.keys() - {f.name for f in fields(self)}
        if unknown:
            raise ValueError(f"there is no setting {min(unknown)!r}")
        return msgspec.convert(asdict(self) | dict(changes), Settings)


def add_setting_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare one flag for each setting."""
    for f in fields(Settings):
        flag, about, default = "--" + f.name.replace("_", "-"), f.metadata["about"], f.default
        if isinstance(default, bool):
            parser.add_argument(flag, action="store_true", help=about)
        elif isinstance(default, tuple):
            parser.add_argument(flag, action="append", default=[], help=about + "; repeatable")
        else:
            about += f" (default {default})" if default else ""
            parser.add_argument(flag, type=type(default), default=default, choices=CHOICES.get(f.name), help=about)


def settings_from(args: argparse.Namespace) -> Settings:
    """Return the settings that the flags ask for; a token and a seed that were not given are made up.

    Raises:
        ValueError: a value means nothing, or the token file cannot be read.
    """
    values = {f.name: getattr(args, f.name) for f in fields(Settings)}
    if args.token_file:
        try:
            values["token"] = Path(args.token_file).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise ValueError(f"cannot read --token-file {args.token_file}: {error.strerror}") from None
    values["token"] = values["token"] or secrets.token_urlsafe(16)
    values["seed"] = values["seed"] or secrets.randbelow(2**32) + 1
    return msgspec.convert(values, Settings)
