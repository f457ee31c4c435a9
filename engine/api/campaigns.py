"""Which campaigns a token may write to: `GET {base}/campaigns`, page by page. Harmless, so it proves a token."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from engine.api.documents import json_of
from engine.api.wire import NoReply, Reply

CAMPAIGNS_PER_PAGE = 100
PAGES_MAX = 100


async def campaign_rows(
    first: Reply, ask: Callable[[int, int], Awaitable[Reply | NoReply]]
) -> dict[str, int | None] | None:
    """Collect the campaigns of all pages, of which `first` is the first; `ask(page, limit)` gets another.

    Returns:
        How many rows each campaign holds, by its id, None where that is not told; or None if a page is not what the
        API documents.
    """
    found: dict[str, int | None] = {}
    reply: Reply | NoReply = first
    for page in range(2, PAGES_MAX + 2):
        document = _document(reply)
        campaigns = _list_in(document)
        if campaigns is None:
            return None
        found |= {str(campaign.get("id", campaign.get("_id"))): _rows(campaign) for campaign in campaigns}
        pagination = document.get("pagination") if isinstance(document, dict) else None
        pages = pagination.get("totalPages") if isinstance(pagination, dict) else 1
        if not isinstance(pages, int) or page > pages:
            break
        reply = await ask(page, CAMPAIGNS_PER_PAGE)
    return found


def _rows(campaign: dict[str, Any]) -> int | None:
    rows = campaign.get("rowsLen")
    return rows if isinstance(rows, int) and not isinstance(rows, bool) else None


def _document(reply: Reply | NoReply) -> Any:
    return json_of(reply.body) if isinstance(reply, Reply) and reply.status == 200 else None


def _list_in(document: Any) -> list[dict[str, Any]] | None:
    """The list of campaigns, whatever the key under which it stands: the page does not say."""
    candidates = [document, *document.values()] if isinstance(document, dict) else [document]
    candidates += [inner for each in candidates if isinstance(each, dict) for inner in each.values()]
    for candidate in candidates:
        if isinstance(candidate, list) and all(isinstance(item, dict) for item in candidate):
            return candidate
    return None
