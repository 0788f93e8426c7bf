"""Kalshi's frames as they come, of every era, and how their numbers and times are read.

Field rules: PROTOCOL 3.5-3.8, 4 and 5 of the venue's page. Where a frame carries a value in
several encodings, decimal text wins over integers; they are never added up.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from connectors.amounts import ONE, units
from connectors.book import Level
from schemas.clock import parse_rfc3339
from schemas.errors import Poison

Number = str | int
Levels = list[tuple[Number, Number]]

MAX_LEVELS = 10_000
"""Per side; the finest grid that the venue has (0.0001) has 9,999 prices."""
MAX_TICKER = 128
_EARLIEST_US = 1_400_000_000_000_000
_LATEST_US = 7_000_000_000_000_000


class Envelope(msgspec.Struct):
    """What every frame has around it. Absent numbers are None."""

    type: str = ""
    sid: int | None = None
    seq: int | None = None
    id: Any = None
    msg: msgspec.Raw = msgspec.Raw(b"{}")
    market_tickers: Any = None


class Subscribed(msgspec.Struct):
    channel: str = ""
    sid: int | None = None


class Tickers(msgspec.Struct):
    """The part of ``ok`` that says which markets a subscription follows now."""

    market_tickers: list[str] | None = None


class ErrorMessage(msgspec.Struct):
    """Only the code must be right: what an error ends is not to hang on what else it names."""

    code: int = 0
    msg: Any = None
    market_ticker: Any = None
    market_tickers: Any = None


class Snapshot(msgspec.Struct):
    """Both bid ladders; an absent side is an empty one."""

    market_ticker: str
    yes_dollars_fp: Levels | None = None
    no_dollars_fp: Levels | None = None
    yes_dollars: Levels | None = None
    no_dollars: Levels | None = None
    yes: list[tuple[int, int]] | None = None
    no: list[tuple[int, int]] | None = None


class Delta(msgspec.Struct):
    """A change of one level of one bid ladder."""

    market_ticker: str
    side: str
    price_dollars: Number | None = None
    price: int | None = None
    delta_fp: Number | None = None
    delta: int | None = None
    ts: Number | None = None
    ts_ms: int | None = None


class Ticker(msgspec.Struct):
    market_ticker: str
    yes_bid_dollars: Number | None = None
    yes_ask_dollars: Number | None = None
    yes_bid: int | None = None
    yes_ask: int | None = None
    yes_bid_size_fp: Number | None = None
    yes_ask_size_fp: Number | None = None
    volume_fp: Number | None = None
    volume: int | None = None
    open_interest_fp: Number | None = None
    open_interest: int | None = None
    ts: Number | None = None
    ts_ms: int | None = None
    time: str | None = None


class Trade(msgspec.Struct):
    """A trade as the socket has it (market_ticker, ts) or as REST has it (ticker, created_time).

    ``price`` and ``side`` are the earliest form: the YES price in cents, as in ``ticker``, and
    the taker's side.
    """

    market_ticker: str | None = None
    ticker: str | None = None
    trade_id: str | None = None
    yes_price_dollars: Number | None = None
    no_price_dollars: Number | None = None
    yes_price: int | None = None
    no_price: int | None = None
    price: int | float | str | None = None
    count_fp: Number | None = None
    count: int | None = None
    taker_outcome_side: str | None = None
    taker_side: str | None = None
    taker_book_side: str | None = None
    side: str | None = None
    ts: Number | None = None
    ts_ms: int | None = None
    created_time: str | None = None


class Trades(msgspec.Struct):
    """A page of ``GET /markets/trades``, newest first."""

    trades: list[msgspec.Raw]


def checked_ticker(text: str | None) -> str:
    """Return a market ticker. Raises Poison("market") if it can't be one.

    Only length and printability are checked: the venue's own published pattern forbids tickers
    that it has (PROTOCOL 6).
    """
    if not text or len(text) > MAX_TICKER or not text.isprintable():
        raise Poison("market", "no market ticker")
    return text


def amount(value: Number) -> int:
    """Return a decimal text, or whole dollars or contracts, in units of 10^-8."""
    if isinstance(value, str):
        return units(value)
    if abs(value) >= 10**10:
        raise Poison("value", "an integer that does not fit (18, 8)")
    return value * ONE


def first(*values: Number | None) -> int | None:
    """Return the first value that is there in units; "" counts as absent (tickers of 2025)."""
    for value in values:
        if value is not None and value != "":
            return amount(value)
    return None


def size_of(value: Number | None) -> int | None:
    """Return the size at the top of a book in units. Raises Poison("value") below nothing."""
    size = first(value)
    if size is not None and size < 0:
        raise Poison("value", "a size below nothing")
    return size


def cents(value: int | None) -> str | None:
    """Return integer cents as decimal text of dollars."""
    if value is None:
        return None
    if not -10_000 < value < 10_000:
        raise Poison("value", "cents out of range")
    sign, whole = ("-", -value) if value < 0 else ("", value)
    return f"{sign}{whole // 100}.{whole % 100:02d}"


def checked_price(price: int | None) -> int:
    """Return a price strictly between nothing and the payout. Raises Poison("value")."""
    if price is None or not 0 < price < ONE:
        raise Poison("value", "no price between 0 and 1")
    return price


def ladder(
    text: Levels | None, half_text: Levels | None, whole: list[tuple[int, int]] | None
) -> list[Level]:
    """Return one side's levels as (own price, size) in units.

    Raises Poison("value") if a number is wrong, Poison("levels") if there are too many.
    """
    levels: Iterable[tuple[Number | None, Number]] = text if text is not None else half_text or ()
    if text is None and half_text is None and whole is not None:
        levels = ((cents(price), size) for price, size in whole)
    result = [(checked_price(first(price)), amount(size)) for price, size in levels]
    if len(result) > MAX_LEVELS:
        raise Poison("levels", f"{len(result)} levels")
    if any(size < 0 for _, size in result):
        raise Poison("value", "a level below nothing")
    return result


def instant(ms: int | None, text: object, seconds: object = None) -> int | None:
    """Return the venue's time in UTC microseconds, as fine as it is given; None if it is not.

    ``ts_ms`` rules; an RFC 3339 text is taken for its microseconds if it is the same moment (the
    venue floors). Raises Poison("time") if the only time given is unreadable.
    """
    from_ms = None if ms is None else plausible(ms * 1000)
    if isinstance(text, str) and len(text) <= 40:
        try:
            fine = plausible(parse_rfc3339(text))
        except (ValueError, OverflowError):
            fine = None
        if fine is not None and (from_ms is None or fine // 1000 * 1000 == from_ms):
            return fine
    if from_ms is not None:
        return from_ms
    if isinstance(seconds, int):
        return plausible(seconds * 1_000_000)
    if isinstance(text, str):
        raise Poison("time", "unreadable time")
    return None


def plausible(us: int) -> int:
    if not _EARLIEST_US < us < _LATEST_US:
        raise Poison("time", "a time outside 2014-2191")
    return us
