"""Kalshi's REST answers as frames (``rest:<endpoint>``). Pure."""

from __future__ import annotations

import msgspec

from connectors.events import Applied, Event, Frame, Ignored, Rejected
from connectors.kalshi import wire
from connectors.kalshi.books import rejected
from connectors.kalshi.discovery import page_of
from connectors.kalshi.state import State
from connectors.kalshi.trades import trade_of
from schemas.errors import Poison

_IGNORED = frozenset(
    ("orderbook", "orderbooks", "candlesticks", "historical", "exchange", "series")
)

_trades = msgspec.json.Decoder(wire.Trades).decode
_trade = msgspec.json.Decoder(wire.Trade).decode


def answer(state: State, frame: Frame, endpoint: str) -> list[Event]:
    """Return what an answer means. Raises Poison if the whole body can't be read."""
    name = endpoint.partition("/")[0][:40]
    if name in ("markets", "market", "event"):
        page = page_of(frame.text, frame.received_us)
        events: list[Event] = [rejected(error) for error in page.unusable]
        for market in page.markets:
            events += state.markets.describe(market)
            events += state.retire(market, frame.received_us)
        return events or [Applied(f"rest:{name}")]
    if name == "trades":
        return _trade_page(state, frame)
    # Books come with their own numbers on the socket only; REST books are cached for seconds.
    return [Ignored(f"rest:{name}" if name in _IGNORED else state.kind(f"rest:{name}"))]


def _trade_page(state: State, frame: Frame) -> list[Event]:
    """Return a page's trades, oldest first: the venue sends the newest first."""
    try:
        page = _trades(frame.text)
    except msgspec.ValidationError as error:
        raise Poison("shape", f"trades: {str(error)[:200]}") from error
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError) as error:
        raise Poison("not_json", f"trades: {str(error)[:200]}") from error
    events: list[Event] = []
    for raw in reversed(page.trades):
        try:
            trade = _trade(raw)
            totals = state.books.quoting.totals(trade.ticker or "")
            events.append(state.recent.fresh(trade_of(frame, None, trade, totals)))
        except Poison as error:
            events.append(rejected(error))
        except msgspec.MsgspecError as error:
            events.append(Rejected("shape", f"a trade: {str(error)[:200]}"))
    return events or [Applied("rest:trades")]
