"""Ticks from tops of books and from trades, with their deterministic ids."""

from __future__ import annotations

from decimal import Decimal

from connectors.amounts import decimal
from connectors.book import EMPTY_TOP, Top
from schemas.identity import event_id
from schemas.tick import Side, Tick


def _money(amount: int | None) -> Decimal | None:
    return None if amount is None else decimal(amount)


class Quotes:
    """The last top of book that was emitted per outcome, so that only changes become ticks."""

    def __init__(self) -> None:
        self._last: dict[str, Top] = {}

    def changed(self, outcome_id: str, top: Top) -> bool:
        """Whether ``top`` differs from the last one emitted; remembers it if so."""
        if self._last.get(outcome_id, EMPTY_TOP) == top:
            return False
        self._last[outcome_id] = top
        return True

    def forget(self, outcome_id: str) -> None:
        """Drop an outcome that is followed no more."""
        self._last.pop(outcome_id, None)


def quote_tick(
    *,
    platform: str,
    market_id: str,
    outcome_id: str,
    outcome: str | None,
    top: Top,
    identity: tuple[object, ...],
    ingest_us: int,
    source_us: int | None,
    volume: Decimal | None = None,
    open_interest: Decimal | None = None,
    sequence: int | None = None,
) -> Tick:
    """Return a quote. ``identity`` is what the venue's event is known by on any connection:
    its own time, side, level and change, or a digest of the snapshot; never anything of ours."""
    return Tick(
        ingest_ts=ingest_us,
        emit_ts=None,
        source_ts=source_us,
        platform=platform,
        market_id=market_id,
        outcome_id=outcome_id,
        outcome=outcome,
        kind="quote",
        price=None,
        size=None,
        bid=_money(top.bid),
        bid_size=_money(top.bid_size),
        ask=_money(top.ask),
        ask_size=_money(top.ask_size),
        side=None,
        volume=volume,
        open_interest=open_interest,
        sequence=sequence,
        tick_id=event_id(
            "quote", platform, market_id, outcome_id, source_us, *identity,
            top.bid, top.bid_size, top.ask, top.ask_size,
        ),
    )  # fmt: skip


def trade_tick(
    *,
    platform: str,
    market_id: str,
    outcome_id: str,
    outcome: str | None,
    price: Decimal,
    size: Decimal,
    side: Side | None,
    identity: tuple[object, ...],
    ingest_us: int,
    source_us: int | None,
    volume: Decimal | None = None,
    open_interest: Decimal | None = None,
    sequence: int | None = None,
) -> Tick:
    """Return a trade. ``identity`` is the venue's trade id, or all fields where it has none.
    Bid and ask stay null: trades and books travel apart, so a trade can't vouch for a quote."""
    return Tick(
        ingest_ts=ingest_us,
        emit_ts=None,
        source_ts=source_us,
        platform=platform,
        market_id=market_id,
        outcome_id=outcome_id,
        outcome=outcome,
        kind="trade",
        price=price,
        size=size,
        bid=None,
        bid_size=None,
        ask=None,
        ask_size=None,
        side=side,
        volume=volume,
        open_interest=open_interest,
        sequence=sequence,
        tick_id=event_id("trade", platform, market_id, outcome_id, *identity),
    )
