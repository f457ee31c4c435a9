"""`[route]`: one source that holds several campaigns, told apart by a column."""

from __future__ import annotations

from typing import Annotated, Any

from engine.settings.kinds import ALWAYS, Bounds
from engine.settings.table import Context, Table, check
from engine.settings.values import as_column_name, as_text
from engine.values import CAMPAIGN_ID_BYTES_MAX, OPEN_CHUNKS

OTHER_WORDS = ("invalid", "skip")
"""What `other` may say beside the id of a campaign."""

OPEN_CHUNKS_MAX = 10_000
"""More full chunks than this may never wait for more records."""

_BY_DEFAULT = (None, "invalid", OPEN_CHUNKS)


def as_campaign_id(value: Any) -> Any:
    """Accept what may be the id of a campaign."""
    if isinstance(value, str) and len(value.encode("utf-8", "replace")) > CAMPAIGN_ID_BYTES_MAX:
        raise ValueError(f"must be the id of a campaign, of at most {CAMPAIGN_ID_BYTES_MAX} bytes")
    return as_text(value)


CampaignId = Annotated[str, as_campaign_id]


class RouteTable(Table):
    """The table itself; without a column there is one campaign, `api.campaign_id`."""

    campaigns: dict[str, CampaignId] | None = None
    other: CampaignId = "invalid"
    open_chunks: Annotated[int, Bounds(at_least=OPEN_CHUNKS, at_most=OPEN_CHUNKS_MAX)] = OPEN_CHUNKS
    column: Annotated[str | None, as_column_name, ALWAYS] = None

    @check("campaigns")
    @staticmethod
    def _has_one(value: dict[str, str] | None, _: Context) -> dict[str, str] | None:
        if value is not None and not value:
            raise ValueError("must have a value at least; leave it out if the column holds the campaign's id itself")
        if value and "" in value:
            raise ValueError("names the empty value, of which route.other says what becomes of it")
        return value

    @check("column")
    @staticmethod
    def _says_by_what(value: str | None, context: Context) -> str | None:
        others = [key for key in ("campaigns", "other", "open_chunks") if context.earlier.get(key) not in _BY_DEFAULT]
        if value is None and others:
            raise ValueError("missing: name the column, or the key, that says which campaign a record is for")
        return value

    def identity(self) -> dict[str, Any]:
        """Return, as plain values, what decides which record goes where, and in which chunk; none without a column."""
        is_usual = self.open_chunks == OPEN_CHUNKS
        without = frozenset(["open_chunks"] if is_usual else [])  # as before there was a choice
        return {} if self.column is None else self.as_plain(without=without)

    def campaign_ids(self) -> tuple[str, ...] | None:
        """Return the campaigns that there can be, each once; None if the column names them itself."""
        if self.campaigns is None:
            return None
        other = () if self.other in OTHER_WORDS else (self.other,)
        return tuple(dict.fromkeys((*self.campaigns.values(), *other)))
