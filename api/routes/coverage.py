"""GET /api/v1/coverage: how much of each hour of a market was recorded for sure."""

from __future__ import annotations

from litestar import get
from litestar.di import NamedDependency

from api.coverage import HOUR_US, Hour, hours
from api.errors import InvalidParameter, answers
from api.parameters import OneMarket, Platform, Since, Until, instant, platform_of
from api.price_models import Coverage, CoverageHour
from api.settings import ApiSettings
from api.store import Store
from api.trust import last_tick, recorded_since, untrusted_between
from schemas.clock import isoformat, now_us

DEFAULT_HOURS, MOST_HOURS = 24, 31 * 24


@get(
    "/api/v1/coverage",
    summary="Coverage",
    description="How much of each hour of a market can be trusted, the newest hour first: what no "
    "gap of the market or its platform covers, between its first minute recorded and the "
    "platform's last tick. What a restart may have missed is taken off to the minute. since is "
    "taken back and until on to the full hour; without them, the last 24 hours; at most 744.",
    responses=answers(),
    tags=["history"],
)
async def coverage(
    store: NamedDependency[Store],
    settings: NamedDependency[ApiSettings],
    market: OneMarket,
    platform: Platform = None,
    since: Since = None,
    until: Until = None,
) -> Coverage:
    """Return the market's hours, on each platform that has such a market."""
    now = now_us()
    begin, end = _hours(instant("since", since), instant("until", until), now)
    silence_us = int(settings.api_silence_seconds * 1_000_000)
    found: list[CoverageHour] = []
    for name, first in (await recorded_since(store, market, platform_of(platform))).items():
        newest = await last_tick(store, name) or 0
        last = now if now - newest <= silence_us else newest
        untrusted = await untrusted_between(store, name, market, begin, end)
        for hour in reversed(hours(begin, end, now, (first, last), untrusted)):
            found.append(_shown(name, market, hour))
    return Coverage(found)


def _hours(since: int | None, until: int | None, now: int) -> tuple[int, int]:
    end = -(-(now if until is None else until) // HOUR_US) * HOUR_US
    begin = (end - DEFAULT_HOURS * HOUR_US if since is None else since) // HOUR_US * HOUR_US
    if end - begin > MOST_HOURS * HOUR_US:
        raise InvalidParameter("since", f"at most {MOST_HOURS} hours are answered at once")
    return max(begin, 0), end


def _shown(platform: str, market: str, hour: Hour) -> CoverageHour:
    return CoverageHour(
        platform=platform,
        market_id=market,
        hour=isoformat(hour.begin),
        seconds=hour.over / 1_000_000,
        trusted_seconds=hour.trusted / 1_000_000,
        percent=round(100 * hour.trusted / hour.over, 3),
        reasons=list(hour.reasons),
    )
