"""The market socket's events and REST books as frozen records: every shape since 2024.

Shapes and meanings: PROTOCOL sections 4 and 6. Reading raises Poison, nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from connectors.amounts import decimal
from connectors.book import BookSide, Level
from connectors.json import Row, row, rows
from connectors.polymarket.wire import (
    digest_text,
    identifier,
    levels,
    milliseconds,
    price,
    size,
    text,
)
from schemas.errors import Poison
from schemas.tick import Side

MOST_CHANGES = 10_000
_SIDES: dict[str, BookSide] = {"BUY": "bid", "SELL": "ask"}
_TAKERS: dict[str, Side] = {"BUY": "buy", "SELL": "sell"}


@dataclass(frozen=True, slots=True)
class BookMessage:
    """A whole book. ``time_ms`` is when it last changed; None in answers that leave it out.

    The last four are inputs of the hash; None where this frame does not say them (a book on the
    socket never has the first two, one after a trade none of them).
    """

    market_id: str
    token_id: str
    time_ms: int | None
    hash: str | None
    bids: list[Level]
    asks: list[Level]
    min_order_size: str | None
    neg_risk: bool | None
    tick_size: str | None
    last_trade_price: str | None


@dataclass(frozen=True, slots=True)
class Change:
    """A level's new total (0 = gone). ``hash`` is that of the token's book after this change.

    ``best_bid`` and ``best_ask`` are the top after the whole message, in units, 0 and 1 standing
    for an empty side; None in shapes that don't say it.
    """

    token_id: str
    time_ms: int
    side: BookSide
    price: int
    size: int
    hash: str | None
    best_bid: int | None
    best_ask: int | None


@dataclass(frozen=True, slots=True)
class TradeMessage:
    """One fill. ``side`` is the taker's; ``identity`` holds every field of the event."""

    market_id: str
    token_id: str
    time_ms: int
    price: Decimal
    size: Decimal
    side: Side | None
    identity: tuple[object, ...]


@dataclass(frozen=True, slots=True)
class TickSizeMessage:
    """The price grid of one token's book changed."""

    market_id: str
    token_id: str
    time_ms: int
    old: str
    new: str


def read_book(event: Row) -> BookMessage:
    """Return a book of the socket or of REST."""
    time_ms = event.get("timestamp")
    neg_risk = event.get("neg_risk")
    return BookMessage(
        market_id=identifier(event.get("market"), "market"),
        token_id=identifier(event.get("asset_id"), "asset_id"),
        time_ms=None if time_ms is None else milliseconds(time_ms, "timestamp"),
        hash=digest_text(event.get("hash")),
        bids=_side(event, "bids"),
        asks=_side(event, "asks"),
        min_order_size=_short(event.get("min_order_size")),
        neg_risk=neg_risk if isinstance(neg_risk, bool) else None,
        tick_size=_short(event.get("tick_size")),
        last_trade_price=_short(event.get("last_trade_price")),
    )


def read_changes(event: Row) -> tuple[str, list[Change]]:
    """Return market id and changes, in order, of any of the three shapes of price_change."""
    market_id = identifier(event.get("market"), "market")
    time_ms = milliseconds(event.get("timestamp"), "timestamp")
    if "price_changes" in event:
        entries = rows(event["price_changes"], "price_changes", MOST_CHANGES)
        found = [_change(row(entry, "a change"), time_ms) for entry in entries]
    elif "changes" in event:
        # Until 2025-09-15: one token, and one hash, which is that of the book after all of them.
        entries = rows(event["changes"], "changes", MOST_CHANGES)
        token_id = identifier(event.get("asset_id"), "asset_id")
        found = [
            _change({**row(entry, "a change"), "asset_id": token_id, "hash": None}, time_ms)
            for entry in entries[:-1]
        ]
        for entry in entries[-1:]:
            last = {**row(entry, "a change"), "asset_id": token_id, "hash": event.get("hash")}
            found.append(_change(last, time_ms))
    else:
        # 2024: one change, flat.
        found = [_change(event, time_ms)]
    return market_id, found


def read_trade(event: Row) -> TradeMessage:
    """Return a last_trade_price. A fill of nothing, or at 0, is refused."""
    time_ms = milliseconds(event.get("timestamp"), "timestamp")
    amount, quantity = price(event.get("price"), "price"), size(event.get("size"), "size")
    if not amount or not quantity:
        raise Poison("value", "a trade of nothing, or at 0")
    side = _TAKERS.get(_word(event.get("side")))
    market_id = identifier(event.get("market"), "market")
    token_id = identifier(event.get("asset_id"), "asset_id")
    transaction = digest_text(event.get("transaction_hash"))
    fee = _short(event.get("fee_rate_bps"))
    return TradeMessage(
        market_id=market_id,
        token_id=token_id,
        time_ms=time_ms,
        price=decimal(amount),
        size=decimal(quantity),
        side=side,
        identity=(time_ms, amount, quantity, side, fee, transaction),
    )


def read_tick_size(event: Row) -> TickSizeMessage:
    """Return a tick_size_change."""
    old, new = _short(event.get("old_tick_size")), _short(event.get("new_tick_size"))
    if not old or not new:
        raise Poison("shape", "a tick_size_change without sizes")
    price(new, "new_tick_size")
    return TickSizeMessage(
        market_id=identifier(event.get("market"), "market"),
        token_id=identifier(event.get("asset_id"), "asset_id"),
        time_ms=milliseconds(event.get("timestamp"), "timestamp"),
        old=old,
        new=new,
    )


def _side(event: Row, name: str) -> list[Level]:
    """Return one side of a book. REST may leave it out for an empty or closed token (PROTOCOL
    section 4); on the socket it is always there, so that without it the frame is another shape."""
    value = event.get(name)
    if value is None and (name in event or "event_type" not in event):
        return []
    return levels(value, name)


def _change(entry: Row, time_ms: int) -> Change:
    side = _SIDES.get(_word(entry.get("side")))
    if side is None:
        raise Poison("value", "the side of a change is neither BUY nor SELL")
    best_bid, best_ask = entry.get("best_bid"), entry.get("best_ask")
    return Change(
        token_id=identifier(entry.get("asset_id"), "asset_id"),
        time_ms=time_ms,
        side=side,
        price=price(entry.get("price"), "price"),
        size=size(entry.get("size"), "size"),
        hash=digest_text(entry.get("hash")),
        best_bid=price(best_bid, "best_bid") if text(best_bid) else None,
        best_ask=price(best_ask, "best_ask") if text(best_ask) else None,
    )


def _word(value: object) -> str:
    return value if isinstance(value, str) else ""


def _short(value: object) -> str | None:
    """Return a short text or number as text; None if absent or of another type."""
    if isinstance(value, str) and len(value) <= 40:
        return value
    if isinstance(value, Decimal):
        # 1e999999999 is short on the wire, and a gigabyte when it is written out.
        return format(value, "f") if value.is_finite() and abs(value.adjusted()) < 40 else None
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)[:40]
    return None
