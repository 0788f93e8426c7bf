"""Kalshi quotes as ticks, with the totals that the ticker channel tells. Pure."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from decimal import Decimal

from connectors.amounts import ONE, decimal
from connectors.book import Top
from connectors.events import Applied, Event, Frame
from connectors.kalshi import wire
from connectors.quotes import Quotes, quote_tick
from schemas.tick import Tick

PLATFORM = "kalshi"
OUTCOME = "yes"
MAX_TOTALS = 200_000


@dataclass(frozen=True, slots=True)
class Totals:
    """What the ticker channel last said of a market."""

    volume: Decimal | None = None
    open_interest: Decimal | None = None


class Quoting:
    """What was last quoted of each market, and its totals; bounded, the oldest make room."""

    def __init__(self) -> None:
        self._quotes = Quotes()
        self._totals: dict[str, Totals] = {}

    def totals(self, market: str) -> Totals:
        """Return what is known of the market's volume and open interest."""
        return self._totals.get(market, Totals())

    def quote(
        self,
        frame: Frame,
        market: str,
        top: Top,
        identity: tuple[object, ...],
        source_us: int | None,
        seq: int | None,
    ) -> list[Tick]:
        """Return the quote if it differs from the market's last one."""
        if not self._quotes.changed(market, top):
            return []
        totals = self.totals(market)
        tick = quote_tick(
            platform=PLATFORM,
            market_id=market,
            outcome_id=market,
            outcome=OUTCOME,
            top=top,
            identity=identity,
            ingest_us=frame.received_us,
            source_us=source_us,
            volume=totals.volume,
            open_interest=totals.open_interest,
            sequence=seq,
        )
        return [tick]

    def ticker(self, frame: Frame, message: wire.Ticker, followed: Container[str]) -> list[Event]:
        """Note volume and open interest; quote a market whose book is not ``followed``."""
        market = wire.checked_ticker(message.market_ticker)
        volume = wire.first(message.volume_fp, message.volume)
        interest = wire.first(message.open_interest_fp, message.open_interest)
        bid = wire.first(message.yes_bid_dollars, wire.cents(message.yes_bid))
        ask = wire.first(message.yes_ask_dollars, wire.cents(message.yes_ask))
        source_us = wire.instant(message.ts_ms, message.time, message.ts)
        self._note(market, volume, interest, followed)
        if market in followed:
            return [Applied("ticker")]
        # The venue writes a missing side as bid 0, ask 1 (PROTOCOL 3.6).
        bid = None if bid == 0 else bid
        ask = None if ask == ONE else ask
        top = Top(
            None if bid is None else wire.checked_price(bid),
            None if bid is None else wire.size_of(message.yes_bid_size_fp),
            None if ask is None else wire.checked_price(ask),
            None if ask is None else wire.size_of(message.yes_ask_size_fp),
        )
        quoted = self.quote(frame, market, top, ("ticker",), source_us, None)
        return [*quoted] or [Applied("ticker")]

    def forget(self, market: str) -> None:
        """Drop a market that is followed no more."""
        self._totals.pop(market, None)
        self._quotes.forget(market)

    def _note(
        self, market: str, volume: int | None, interest: int | None, followed: Container[str]
    ) -> None:
        if market not in self._totals and len(self._totals) >= MAX_TOTALS:
            oldest = next(iter(self._totals))
            del self._totals[oldest]
            if oldest not in followed:
                self._quotes.forget(oldest)
        old = self.totals(market)
        self._totals[market] = Totals(
            old.volume if volume is None else decimal(volume),
            old.open_interest if interest is None else decimal(interest),
        )
