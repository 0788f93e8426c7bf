"""From a pair's legs to its Spread: differences of mids, and what could be executed. Pure.

edge = bid where it is sold - ask where it is bought - the taker fees of both, per contract, for the
smaller of both sizes. Buying YES at a and selling it at b costs a + (1 - b) and pays 1 whatever
happens, if the venues settle alike. All of it is exact but for the roundings of fees.py and
transforms.py, and completeness, which is rounded to 8 places.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Context, Decimal
from itertools import combinations

from agents.fees import EXACT, PLACES
from agents.leg_state import LegState
from agents.transforms import leg_fee
from schemas.pair import Pair
from schemas.spread import Spread, SpreadEdge
from schemas.topics import PLATFORMS

_EVEN = Context(prec=60, rounding=ROUND_HALF_EVEN)


def spread_of(pair: Pair, legs: Sequence[LegState], now_us: int) -> Spread:
    """Return where the pair stands. ``legs`` are in the pair's order."""
    edges = tuple(_better(one, other) for one, other in combinations(legs, 2))
    widest = max(
        (edge for edge in edges if edge.difference is not None),
        key=lambda edge: (_known(edge.difference), _reversed(_names(edge))),
        default=None,
    )
    best = max(
        (edge for edge in edges if edge.edge is not None and not edge.play_money),
        key=lambda edge: (_known(edge.edge), _reversed(_names(edge))),
        default=None,
    )
    usable = Decimal(sum(leg.unusable is None for leg in legs))
    return Spread(
        ts=now_us,
        pair_id=pair.id,
        description=pair.description,
        verified=pair.verified is not None,
        legs=tuple(leg.record() for leg in legs),
        edges=edges,
        max_spread=widest.difference if widest else None,
        max_spread_pair="-".join(_names(widest)) if widest else None,
        best_edge=best.edge if best else None,
        best_edge_pair=f"{best.buy}-{best.sell}".upper() if best else None,
        completeness=_EVEN.divide(usable, Decimal(len(legs))).quantize(PLACES, context=_EVEN),
        threshold=pair.alert_threshold,
    )


@dataclass(frozen=True, slots=True)
class _Direction:
    """Buying on one venue and selling on another. ``gross`` is before fees."""

    buy: LegState
    sell: LegState
    size: Decimal | None
    fee_buy: Decimal | None
    fee_sell: Decimal | None
    gross: Decimal | None
    edge: Decimal | None

    @property
    def rank(self) -> tuple[bool, Decimal, bool, Decimal, Decimal, int]:
        """What the better direction has more of: edge, else gross, else a reason in the mids."""
        zero = Decimal(0)
        low, high = self.buy.price.mid, self.sell.price.mid
        rise = EXACT.subtract(high, low) if low is not None and high is not None else zero
        return (
            self.edge is not None,
            zero if self.edge is None else self.edge,
            self.gross is not None,
            zero if self.gross is None else self.gross,
            rise,
            -PLATFORMS.index(self.buy.leg.platform),
        )


def _direction(buy: LegState, sell: LegState) -> _Direction:
    ask, bid = buy.price.ask, sell.price.bid
    sizes = [None if side is None else side.size for side in (ask, bid)]
    known = [size for size in sizes if size is not None]
    size = min(known) if len(known) == 2 else None
    fee_buy = leg_fee(buy.leg.platform, ask, buy.terms, size) if ask else None
    fee_sell = leg_fee(sell.leg.platform, bid, sell.terms, size) if bid else None
    gross = EXACT.subtract(bid.price, ask.price) if ask and bid else None
    edge = None
    if gross is not None and fee_buy is not None and fee_sell is not None:
        edge = EXACT.subtract(gross, EXACT.add(fee_buy, fee_sell))
    return _Direction(buy, sell, size, fee_buy, fee_sell, gross, edge)


def _better(one: LegState, other: LegState) -> SpreadEdge:
    better = max(_direction(one, other), _direction(other, one), key=lambda each: each.rank)
    low, high = better.buy.price.mid, better.sell.price.mid
    return SpreadEdge(
        buy=better.buy.leg.platform,
        sell=better.sell.leg.platform,
        difference=None if low is None or high is None else abs(EXACT.subtract(high, low)),
        edge=better.edge,
        fee_buy=better.fee_buy,
        fee_sell=better.fee_sell,
        size=better.size,
        play_money=not (better.buy.real_money and better.sell.real_money),
    )


def _names(edge: SpreadEdge) -> list[str]:
    """Return the venues in capitals, in the order of PLATFORMS."""
    return [name.upper() for name in PLATFORMS if name in (edge.buy, edge.sell)]


def _reversed(names: list[str]) -> tuple[int, ...]:
    """Return a key by which, between equals, the venues named first in PLATFORMS win."""
    return tuple(-PLATFORMS.index(name.lower()) for name in names)


def _known(value: Decimal | None) -> Decimal:
    assert value is not None
    return value
