"""The sender that knows whether we are let in: it bears a refused access for a while, or stops the run."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import NoReturn

from msgspec import Struct, field
from msgspec.structs import replace

from engine.api import Fatal, RefusedWhole, Reply, Settled, Unproven
from engine.pacing import TurnRefused
from engine.pipeline.access import BORNE, Grace
from engine.pipeline.recognition import Recognition
from engine.pipeline.refused_campaigns import REFUSES_CAMPAIGN, RefusedCampaigns
from engine.pipeline.sending import Answer, Doubted, Request, Sender
from engine.values import EngineError, NotTheApi, Stop


class Accepted(Struct, frozen=True):
    """Sends a request, again if its access was refused and that may pass. `renew_token` reads the token again."""

    inner: Sender
    renew_token: Callable[[Reply], bool]
    stop: Stop
    recognition: Recognition = field(default_factory=Recognition)
    campaigns: RefusedCampaigns = field(default_factory=RefusedCampaigns)

    async def send(self, request: Request) -> Answer:
        """Send `request` and return what is proven, or that its refusal is doubtful.

        Raises:
            TurnRefused: the run stops, perhaps because of this very request.
            CampaignRefused: its campaign takes nothing more.
        """
        grace, access = Grace(), self.campaigns.access(request.campaign_id)
        while True:
            self.campaigns.check(request.campaign_id)
            answer = await self.inner.send(request)
            verdict = self.recognition.judge(answer.verdict)
            if isinstance(verdict, (Settled, Unproven)):
                access.passed()
                self.campaigns.served(request.campaign_id)
            if isinstance(verdict, Doubted) or (isinstance(verdict, RefusedWhole) and not verdict.too_large):
                self.campaigns.refused(request.campaign_id, verdict.http_status)
            if not isinstance(verdict, Fatal):
                return replace(answer, verdict=verdict)
            if verdict.http_status not in BORNE:
                self._stop_the_run(verdict.error)
            if isinstance(answer.reply, Reply) and self.renew_token(answer.reply):
                continue
            is_page = isinstance(verdict.error, NotTheApi)
            if access.may_be_a_record(verdict.http_status, is_page=is_page):
                status = f"HTTP {verdict.http_status}"
                return replace(answer, verdict=Doubted(status, verdict.http_status, f"{status}, and others pass"))
            delay_s = grace.delay_s(asyncio.get_running_loop().time()) if access.has_passed else None
            if delay_s is None:
                if request.campaign_id and verdict.http_status in REFUSES_CAMPAIGN and not is_page:
                    self.campaigns.refused_by(request.campaign_id, verdict.http_status)
                self._stop_the_run(verdict.error)
            await self._bear(delay_s)

    async def _bear(self, delay_s: float) -> None:
        await self.stop.pause(delay_s)
        if self.stop.requested:
            raise TurnRefused

    def _stop_the_run(self, error: EngineError) -> NoReturn:
        self.stop.request(error)
        raise TurnRefused
