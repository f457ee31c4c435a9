"""The bulk update API: one call is one request, and what a reply proves of each record."""

from typing import TYPE_CHECKING

from engine.values import lazy_face

if TYPE_CHECKING:
    from engine.api.campaigns import CAMPAIGNS_PER_PAGE, campaign_rows
    from engine.api.certificates import leave_out_unused_certificates
    from engine.api.documents import WEB_PAGE, kind_of
    from engine.api.doubt import gave_up_waiting, may_still_land
    from engine.api.headers import Quota, date_of, quota_of, retry_after_s
    from engine.api.http import HttpBulkApi
    from engine.api.proxies import is_refused_by_proxy, proxy_refuses
    from engine.api.refusals import not_the_api
    from engine.api.verdict import Fatal, RefusedWhole, Settled, Trouble, TryAgain, Unproven, Verdict, interpret
    from engine.api.wire import BulkApi, Endpoint, NoReply, Reply
else:
    __getattr__ = lazy_face(__name__)
