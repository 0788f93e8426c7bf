"""Kalshi's REST market data at the simulated venue (PROTOCOL 6)."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from echoarb.simulators.kalshi.market import SimulatedMarket
from echoarb.simulators.kalshi.session import Limits

STATUSES = {
    "unopened": ("initialized",),
    "open": ("active",),
    "paused": ("inactive",),
    "closed": ("closed", "determined", "disputed", "amended"),
    "settled": ("finalized",),
}
"""The words of the filter, and those of the answers."""


def problem(status: int, code: str, message: str) -> web.Response:
    """Return an error in the venue's form."""
    return web.json_response({"error": {"code": code, "message": message}}, status=status)


def _bad(message: str) -> web.HTTPBadRequest:
    body = '{"error":{"code":"bad_request","message":"' + message + '"}}'
    return web.HTTPBadRequest(text=body, content_type="application/json")


def _page(request: web.Request, items: list[Any], most: int) -> tuple[list[Any], str]:
    """Return one page of at most ``most`` items and the cursor of the next, "" at the end."""
    try:
        limit = int(request.query.get("limit", "100"))
        cursor = request.query.get("cursor", "")
        start = int(base64.urlsafe_b64decode(cursor.encode()).decode()) if cursor else 0
    except (ValueError, binascii.Error):
        raise _bad("invalid cursor or limit") from None
    if not 1 <= limit <= 1000:
        raise _bad("limit must be 1 to 1000")
    limit = min(limit, most)
    more = start + limit < len(items)
    following = base64.urlsafe_b64encode(str(start + limit).encode()).decode() if more else ""
    return items[start : start + limit], following


def _book(market: SimulatedMarket) -> dict[str, Any]:
    return {"no_dollars": market.levels("no"), "yes_dollars": market.levels("yes")}


class Rest:
    """The handlers; ``markets`` is the live state, by ticker."""

    def __init__(self, markets: Mapping[str, SimulatedMarket], limits: Limits) -> None:
        self._markets = markets
        self._limits = limits

    def routes(self, base: str) -> list[web.RouteDef]:
        """Return every route, fixed paths first."""
        return [
            web.get(f"{base}/markets", self.list_markets),
            web.get(f"{base}/markets/orderbooks", self.orderbooks),
            web.get(f"{base}/markets/trades", self.trades),
            web.get(f"{base}/markets/{{ticker}}", self.market),
            web.get(f"{base}/markets/{{ticker}}/orderbook", self.orderbook),
            web.get(f"{base}/exchange/status", self.exchange_status),
        ]

    async def list_markets(self, request: web.Request) -> web.Response:
        """``GET /markets``."""
        query = request.query
        statuses = [word for word in query.get("status", "").split(",") if word]
        if any(word not in STATUSES for word in statuses):
            raise _bad("invalid status filter")
        allowed = {answer for word in statuses for answer in STATUSES[word]}
        tickers = [word for word in query.get("tickers", "").split(",") if word]
        found = [
            market.plain()
            for market in self._markets.values()
            if (not allowed or market.status in allowed)
            and (not tickers or market.ticker in tickers)
            and query.get("series_ticker") in (None, market.series_ticker)
            and query.get("event_ticker") in (None, market.event_ticker)
        ]
        page, cursor = _page(request, found, self._limits.markets_per_page)
        return web.json_response({"cursor": cursor, "markets": page})

    async def market(self, request: web.Request) -> web.Response:
        """``GET /markets/{ticker}``."""
        market = self._markets.get(request.match_info["ticker"])
        if market is None:
            return problem(404, "not_found", "not found")
        return web.json_response({"market": market.plain()})

    async def orderbook(self, request: web.Request) -> web.Response:
        """``GET /markets/{ticker}/orderbook``: an empty side is an empty array here."""
        market = self._markets.get(request.match_info["ticker"])
        if market is None:
            return problem(404, "not_found", "not found")
        return web.json_response({"orderbook_fp": _book(market)})

    async def orderbooks(self, request: web.Request) -> web.Response:
        """``GET /markets/orderbooks``: tickers are repeated, a comma list is one unknown one."""
        tickers = request.query.getall("tickers", [])
        if not 1 <= len(tickers) <= 100:
            raise _bad("1 to 100 tickers")
        books = [
            {"ticker": ticker, "orderbook_fp": _book(self._markets[ticker])}
            for ticker in tickers
            if ticker in self._markets
        ]
        return web.json_response({"orderbooks": books})

    async def trades(self, request: web.Request) -> web.Response:
        """``GET /markets/trades``: newest first."""
        query = request.query
        try:
            first, last = int(query.get("min_ts", "0")), int(query.get("max_ts", "9" * 12))
        except ValueError:
            raise _bad("invalid time") from None
        found = [
            trade
            for market in self._markets.values()
            if query.get("ticker") in (None, market.ticker)
            for trade in market.trades
            if first <= trade["ts_ms"] // 1000 <= last
        ]
        found.sort(key=lambda trade: trade["ts_ms"], reverse=True)
        page, cursor = _page(request, found, 1000)
        bodies = [{k: v for k, v in trade.items() if k != "ts_ms"} for trade in page]
        return web.json_response({"cursor": cursor, "trades": bodies})

    async def exchange_status(self, request: web.Request) -> web.Response:
        """``GET /exchange/status``."""
        return web.json_response({"exchange_active": True, "trading_active": True})
