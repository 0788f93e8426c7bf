"""The texts that Kalshi's socket sends, key by key in the venue's order, each with its newline."""

from __future__ import annotations

from typing import Any

import msgspec

from echoarb.simulators.kalshi.market import SimulatedMarket, contracts, dollars, rfc3339
from echoarb.simulators.market import TICKS, Change, Fill

ERRORS = {
    1: "Unable to process message",
    2: "Params required",
    3: "Channels required",
    4: "Subscription IDs required",
    5: "Unknown command",
    7: "Unknown subscription ID",
    8: "Unknown channel name",
    11: "Invalid parameter",
    12: "Exactly one subscription ID is required",
    13: "Unsupported action",
    14: "Market Ticker required",
    25: "Subscription buffer overflow",
    26: "Subscription market limit exceeded",
    27: "Too many requests",
}
_encode = msgspec.json.Encoder().encode


def text(frame: dict[str, Any]) -> str:
    """Return a frame as it goes over the wire."""
    return _encode(frame).decode() + "\n"


def numbered(kind: str, sid: int, seq: int, now_ms: int, message: dict[str, Any]) -> str:
    """Return a data frame of a sequenced channel."""
    return text({"type": kind, "sending_ts_ms": now_ms, "sid": sid, "seq": seq, "msg": message})


def snapshot(
    market: SimulatedMarket,
    sid: int,
    seq: int,
    now_ms: int,
    command: int | None,
    *,
    yes_prices: bool = False,
) -> str:
    """Return a whole book; an empty side's key is left out, ``id`` is there if asked for."""
    message: dict[str, Any] = {"market_ticker": market.ticker, "market_id": market.market_id}
    for side in ("yes", "no"):
        levels = market.levels(side, yes_prices=yes_prices)
        if levels:
            message[f"{side}_dollars_fp"] = levels
    frame: dict[str, Any] = {"type": "orderbook_snapshot"}
    if command is not None:
        frame["id"] = command
    return text(frame | {"sending_ts_ms": now_ms, "sid": sid, "seq": seq, "msg": message})


def delta(
    market: SimulatedMarket, change: Change, ts_ms: int, *, yes_prices: bool = False
) -> dict[str, Any]:
    """Return the message of one level's change."""
    yes = change.side == "bid"
    return {
        "market_ticker": market.ticker,
        "market_id": market.market_id,
        "price_dollars": dollars(change.price if yes or yes_prices else TICKS - change.price),
        "delta_fp": contracts(change.delta),
        "side": "yes" if yes else "no",
        "ts": rfc3339(ts_ms),
        "ts_ms": ts_ms,
    }


def trade(market: SimulatedMarket, fill: Fill, trade_id: str, ts_ms: int) -> dict[str, Any]:
    """Return the message of one trade."""
    side = "yes" if fill.taker == "bid" else "no"
    return {
        "trade_id": trade_id,
        "market_ticker": market.ticker,
        "yes_price_dollars": dollars(fill.price),
        "no_price_dollars": dollars(TICKS - fill.price),
        "count_fp": contracts(fill.size),
        "taker_side": side,
        "taker_outcome_side": side,
        "taker_book_side": fill.taker,
        "is_block_trade": False,
        "ts": ts_ms // 1000,
        "ts_ms": ts_ms,
    }


def ticker(market: SimulatedMarket, sid: int, now_ms: int) -> str:
    """Return a ticker frame: no sequence number, missing sides as 0 and 1."""
    bid, bid_size, ask, ask_size = market.top()
    message = {
        "market_id": market.market_id,
        "market_ticker": market.ticker,
        "price_dollars": dollars(market.last_price),
        "yes_bid_dollars": bid,
        "yes_ask_dollars": ask,
        "volume_fp": contracts(market.volume),
        "open_interest_fp": contracts(market.open_interest),
        "dollar_volume": market.volume // 200,
        "dollar_open_interest": market.open_interest // 200,
        "yes_bid_size_fp": bid_size,
        "yes_ask_size_fp": ask_size,
        "last_trade_size_fp": contracts(market.last_size),
        "ts": now_ms // 1000,
        "ts_ms": now_ms,
        "time": rfc3339(now_ms),
    }
    return text({"type": "ticker", "sending_ts_ms": now_ms, "sid": sid, "msg": message})


def created(market: SimulatedMarket) -> dict[str, Any]:
    """Return the lifecycle message of a new market."""
    return {
        "market_ticker": market.ticker,
        "exchange_index": 0,
        "open_ts": market.opened_ms // 1000,
        "close_ts": market.closes_ms // 1000,
        "additional_metadata": {
            "name": market.title,
            "title": market.title,
            "yes_sub_title": market.title,
            "no_sub_title": market.title,
            "rules_primary": "",
            "rules_secondary": "",
            "can_close_early": True,
            "event_ticker": market.event_ticker,
            "expected_expiration_ts": market.closes_ms // 1000,
        },
        "event_type": "created",
        "price_level_structure": market.structure(),
        "price_ranges": market.price_ranges(),
    }


def subscribed(command: int | None, channel: str, sid: int) -> str:
    """Return the acknowledgement of one channel: its sid is inside, it takes no number."""
    frame: dict[str, Any] = {"type": "subscribed"}
    if command is not None:
        frame["id"] = command
    return text(frame | {"msg": {"channel": channel, "sid": sid}})


def ok(command: int | None, sid: int, seq: int, tickers: list[str]) -> str:
    """Return the acknowledgement of a change, with all tickers that are followed now."""
    named = {} if command is None else {"id": command}
    message = {"market_tickers": tickers}
    return text({**named, "sid": sid, "seq": seq, "type": "ok", "msg": message})


def error(
    code: int, *, command: int | None = None, sid: int | None = None, seq: int | None = None
) -> str:
    """Return an error: of a command with its id, of a subscription with sid and seq."""
    frame: dict[str, Any] = {"type": "error"}
    for name, value in (("id", command), ("sid", sid), ("seq", seq)):
        if value is not None:
            frame[name] = value
    return text(frame | {"msg": {"code": code, "msg": ERRORS[code]}})
