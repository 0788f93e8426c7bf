"""One leg of a pair at one moment: usable or why not, at which price, until when. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from agents.transforms import LegPrice, Quote, Side, price_leg
from agents.trust import trusted_from
from schemas.legupdate import LegUpdate
from schemas.pair import Leg, PairOutcome
from schemas.spread import SpreadLeg

REAL_MONEY = frozenset({"USD", "USDC"})
UNITS = {"kalshi": "USD", "polymarket": "USDC"}
"""What a venue pays in where its market's record was not seen; elsewhere play money is assumed."""
NOT_TRADING = frozenset({"upcoming", "paused", "closed", "resolved"})
NOTHING = LegPrice(None, None, None)


@dataclass(frozen=True, slots=True)
class Terms:
    """Fee formula and rate of a market: the venue's own, else what the pair's reviewer read."""

    fee_type: str | None
    fee_rate: Decimal | None


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a leg: quotes by outcome, market records by id, gaps by market id."""

    quotes: Mapping[PairOutcome, Quote] = field(default_factory=dict)
    markets: Mapping[str, LegUpdate] = field(default_factory=dict)
    gaps: Mapping[str | None, Sequence[LegUpdate]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LegState:
    """A leg now. ``until``: the moment at which time alone changes it; None if it never does."""

    leg: Leg
    price: LegPrice
    quote_ts: int | None
    unusable: str | None
    terms: Mapping[str, Terms]
    real_money: bool
    until: int | None

    def record(self) -> SpreadLeg:
        """Return what is published of it."""
        price = self.price
        (bid, bid_size), (ask, ask_size) = _shown(price.bid), _shown(price.ask)
        return SpreadLeg(
            self.leg.platform, price.mid, bid, bid_size, ask, ask_size, self.quote_ts, self.unusable
        )


def leg_state(leg: Leg, known: Known, now_us: int) -> LegState:
    """Return the leg at ``now_us``, UTC microseconds."""
    chosen = leg.chosen()
    market_ids = {each.market_id for each in chosen}
    quotes = {each: known.quotes[each] for each in chosen if each in known.quotes}
    unusable, until = _trouble(leg, known, quotes, now_us)
    price = NOTHING if unusable else price_leg(leg, quotes)
    if not unusable and price.mid is None:
        unusable = "one_sided" if price.bid or price.ask else "no_quote"
    elif price.mid is not None and not 0 <= price.mid <= 1:
        price, unusable = NOTHING, "out_of_range"  # its outcomes don't exclude each other
    units = {
        market.unit if (market := known.markets.get(each)) else UNITS.get(leg.platform)
        for each in market_ids
    }
    return LegState(
        leg=leg,
        price=price,
        quote_ts=min((quote.ts for quote in quotes.values()), default=None),
        unusable=unusable,
        terms={each: _terms(leg, known.markets.get(each)) for each in market_ids},
        real_money=units <= REAL_MONEY,
        until=until,
    )


def _trouble(
    leg: Leg, known: Known, quotes: Mapping[PairOutcome, Quote], now_us: int
) -> tuple[str | None, int | None]:
    """Return why the leg can't be used, None if it can, and when time alone changes that."""
    chosen = leg.chosen()
    statuses = {
        known.markets[each.market_id].status for each in chosen if each.market_id in known.markets
    }
    if statuses & NOT_TRADING:
        return "closed", None
    if len(quotes) < len(chosen):
        return "no_quote", None
    moments = []
    for each, quote in quotes.items():
        gaps = [*known.gaps.get(each.market_id, ()), *known.gaps.get(None, ())]
        moment = trusted_from(gaps, quote.ts)
        if moment is None:
            return "untrusted", None
        moments.append(moment)
    if max(moments) > now_us:
        return "untrusted", max(moments)
    stale_at = min(quote.ts for quote in quotes.values()) + leg.max_age_seconds * 1_000_000
    return ("stale", None) if now_us > stale_at else (None, stale_at + 1)


def _terms(leg: Leg, market: LegUpdate | None) -> Terms:
    fee = leg.fee
    fee_type = market.fee_type if market else None
    fee_rate = market.fee_rate if market else None
    if fee is not None:
        fee_type = fee.type if fee_type is None else fee_type
        fee_rate = fee.rate if fee_rate is None else fee_rate
    return Terms(fee_type, fee_rate)


def _shown(side: Side | None) -> tuple[Decimal | None, Decimal | None]:
    return (None, None) if side is None else (side.price, side.size)
