"""The bulk update API: one call is one request, and what a reply proves of each record."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.values import lazy_face

if TYPE_CHECKING:
    from engine.api.bulk_api import BulkApi as BulkApi
    from engine.api.campaigns import CAMPAIGNS_PER_PAGE as CAMPAIGNS_PER_PAGE, campaign_ids as campaign_ids
    from engine.api.endpoint import Endpoint as Endpoint
    from engine.api.headers import (
        Quota as Quota,
        date_of as date_of,
        quota_of as quota_of,
        retry_after_s as retry_after_s,
    )
    from engine.api.http import HttpBulkApi as HttpBulkApi
    from engine.api.verdict import (
        Fatal as Fatal,
        RefusedWhole as RefusedWhole,
        Settled as Settled,
        Trouble as Trouble,
        TryAgain as TryAgain,
        Unproven as Unproven,
        Verdict as Verdict,
        interpret as interpret,
    )
    from engine.api.wire import NoReply as NoReply, Reply as Reply
else:
    __getattr__ = lazy_face(
        __name__,
        {
            "bulk_api": "BulkApi",
            "campaigns": "CAMPAIGNS_PER_PAGE campaign_ids",
            "endpoint": "Endpoint",
            "headers": "Quota date_of quota_of retry_after_s",
            "http": "HttpBulkApi",
            "verdict": "Fatal RefusedWhole Settled Trouble TryAgain Unproven Verdict interpret",
            "wire": "NoReply Reply",
        },
    )
