"""Which requests a fault strikes. What it then does is in `bulk.py` (before the update) and `wire.py` (the reply)."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple


class Fault(StrEnum):
    """Every way to misbehave. "Applied" says whether the records of the request were updated all the same."""

    RESET_BEFORE_BODY = "reset-before-body"
    """The connection is reset once the head of the request has arrived. Not applied."""
    RESET_MID_BODY = "reset-mid-body"
    """The connection is reset in the middle of the request's body. Not applied."""
    RESET_AFTER_BODY = "reset-after-body"
    """The connection is reset instead of a reply. Not applied."""
    RESET_AFTER_APPLY = "reset-after-apply"
    """The connection is reset instead of a reply. Applied: the reply is lost."""
    CLOSE_AFTER_REPLY = "close-after-reply"
    """A good reply, but the kept-alive connection is then closed without notice. Applied."""
    TRUNCATED_REPLY = "truncated-reply"
    """The reply stops in the middle of its body. Applied."""
    ENDLESS_REPLY = "endless-reply"
    """The reply trickles and never ends. Applied."""
    HUGE_REPLY = "huge-reply"
    """The reply is 1 GB long. Applied."""
    GZIP_BOMB = "gzip-bomb"
    """The reply is small and unpacks to 1 GB. Applied."""
    HANG = "hang"
    """No reply ever. Not applied."""
    HANG_AFTER_APPLY = "hang-after-apply"
    """No reply ever. Applied."""
    NOT_JSON = "not-json"
    """200 with a body that is not JSON. Applied."""
    HTML_200 = "html-200"
    """200 with an HTML page, as from a captive proxy. Not applied."""
    SUCCESS_FALSE = "success-false"
    """Counts that say all is well beside `success: false`. Applied."""
    COUNTS_LIE = "counts-lie"
    """All but the last record are applied; the counts do not add up to the total, no error is named."""
    TOTAL_LIE = "total-lie"
    """Only the first half is applied; the reply calls the half the total and a success."""
    ERRORS_UNNAMED = "errors-unnamed"
    """All but the last record are applied; `failed` is 1 and `errors` is empty."""
    ALL_FAILED_500 = "500-results"
    """500 with whole results that say every record failed. Not applied."""
    REDIRECT = "redirect"
    """A redirect (307) to another host. Not applied."""
    STATUS = "NNN"
    """An error reply of that status (also 200), in the API's own form. Not applied."""
    STATUS_HTML = "NNN-html"
    """An HTML error page of that status, as from a gateway. Not applied."""
    STATUS_AFTER_APPLY = "NNN-after-apply"
    """An error reply of that status. Applied."""
    STATUS_THEN_APPLY = "NNN-late"
    """An error reply of that status, from a gateway that waits no longer. Applied `late_s` seconds after that."""


class Strike(NamedTuple):
    """A fault that strikes one request; `status` is 0 where the fault does not come with one."""

    fault: Fault
    status: int = 0

    @property
    def label(self) -> str:
        """The fault's name as it is written on the command line."""
        return self.fault.value.replace("NNN", str(self.status))

    @classmethod
    def parse(cls, name: str) -> Strike:
        """Read a fault's name.

        Raises:
            ValueError: there is no such fault.
        """
        with_status = re.fullmatch(r"([2-5]\d\d)(-html|-after-apply|-late)?", name)
        if with_status:
            return cls(Fault("NNN" + (with_status[2] or "")), int(with_status[1]))
        if "NNN" in name or name not in set(Fault):
            raise ValueError(f"there is no fault {name!r}; there are: {', '.join(Fault)}")
        return cls(Fault(name))


@dataclass(frozen=True, slots=True)
class FaultRule:
    """A fault and the requests it strikes: a random share, or by their number (counted from 1)."""

    strike: Strike
    when: str
    amount: float

    @classmethod
    def parse(cls, text: str) -> FaultRule:
        """Read `NAME[:WHEN]`; without WHEN every request is struck.

        Raises:
            ValueError: the name or the WHEN means nothing.
        """
        name, _, condition = text.partition(":")
        strike = Strike.parse(name)
        when, _, number = condition.rpartition("=")
        if not condition:
            return cls(strike, "share", 1.0)
        if when in ("every", "first", "after", "at") and number.isdecimal() and int(number) > 0:
            return cls(strike, when, int(number))
        try:
            share = float(number)
        except ValueError:
            share = -1.0
        if when or not 0 <= share <= 1:
            raise ValueError(f"fault {text!r}: say a share such as 0.01, or every=N, first=N, after=N, at=N")
        return cls(strike, "share", share)

    def strikes(self, number: int, rng: random.Random) -> bool:
        """Say whether this rule strikes the request of that number."""
        match self.when:
            case "every":
                return number % self.amount == 0
            case "first":
                return number <= self.amount
            case "after":
                return number > self.amount
            case "at":
                return number == self.amount
            case _:
                return rng.random() < self.amount


class FaultPlan:
    """Decides, request by request, which fault strikes: the first rule that applies."""

    def __init__(self, rules: Iterable[str], seed: int) -> None:
        self._rules = [FaultRule.parse(rule) for rule in rules]
        self._rng = random.Random(seed)  # noqa: S311 - repeatable on purpose; nothing depends on its secrecy
        self._number = 0

    def draw(self) -> Strike | None:
        """Return what strikes the next request, if anything."""
        self._number += 1
        struck = [rule.strike for rule in self._rules if rule.strikes(self._number, self._rng)]
        return struck[0] if struck else None
