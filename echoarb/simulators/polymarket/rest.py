"""The simulated venue's requests: books of the CLOB and listings of Gamma."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from aiohttp import web

from echoarb.simulators.polymarket.gamma import (
    MOST_A_PAGE,
    cursor_of,
    gamma_market,
    position_of,
)
from echoarb.simulators.polymarket.market import SimulatedMarket
from schemas.clock import now_us

if TYPE_CHECKING:
    from echoarb.simulators.polymarket.venue import Simulator

MOST_BOOKS = 500
NO_BOOK = "No orderbook exists for the requested token id"


class Rest:
    """Handlers of both REST services on one port."""

    def __init__(self, venue: Simulator) -> None:
        self._venue = venue
        self.keyset = True
        """Whether the newer paging exists."""

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """Add the paths of both services."""
        router.add_get("/book", self._book)
        router.add_post("/books", self._books)
        router.add_get("/markets", self._markets)
        router.add_get("/markets/keyset", self._markets_keyset)

    async def _book(self, request: web.Request) -> web.Response:
        found = self._venue.find(request.query.get("token_id"))
        if found is None:
            return web.json_response({"error": NO_BOOK}, status=404)
        market, token = found
        return _json(market.rest_book(token))

    async def _books(self, request: web.Request) -> web.Response:
        try:
            wanted = [entry["token_id"] for entry in json.loads(await request.text())]
        except (ValueError, TypeError, KeyError):
            return web.json_response({"error": "Invalid payload"}, status=400)
        if len(wanted) > MOST_BOOKS:
            return web.json_response({"error": "Payload exceeds the limit"}, status=400)
        found = [self._venue.find(token_id) for token_id in dict.fromkeys(wanted)]
        books = [market.rest_book(token) for market, token in filter(None, found)]
        # The answer is not in the order of the request.
        return _json(self._venue.chance.sample(books, len(books)))

    async def _markets(self, request: web.Request) -> web.Response:
        markets = self._wanted(request)
        try:
            offset = int(request.query.get("offset", "0"))
            limit = min(int(request.query.get("limit", "20")), MOST_A_PAGE)
        except ValueError:
            return web.json_response({"type": "validation error"}, status=422)
        return _json([gamma_market(market, now_us()) for market in markets[offset:][:limit]])

    async def _markets_keyset(self, request: web.Request) -> web.Response:
        try:
            if "offset" in request.query:
                raise ValueError("offset is not supported, use after_cursor")
            limit = int(request.query.get("limit", "20"))
            if not 1 <= limit <= MOST_A_PAGE:
                raise ValueError("limit must be between 1 and 100")
            cursor = request.query.get("after_cursor")
            start = position_of(cursor) if cursor else 0
        except ValueError as error:
            body = {"type": "validation error", "error": str(error)}
            return web.json_response(body, status=422)
        if not self.keyset:
            return web.json_response({"type": "not found error"}, status=404)
        markets = self._wanted(request)
        page = [gamma_market(market, now_us()) for market in markets[start : start + limit]]
        answer: dict[str, Any] = {"markets": page}
        if start + limit < len(markets):
            answer["next_cursor"] = cursor_of(start + limit)
        return _json(answer)

    def _wanted(self, request: web.Request) -> list[SimulatedMarket]:
        closed = request.query.get("closed", "false") == "true"
        ids = set(request.query.getall("condition_ids", []))
        slugs = set(request.query.getall("slug", []))
        return [
            market
            for market in self._venue.markets.values()
            if market.closed == closed
            and (not ids or market.condition_id in ids)
            and (not slugs or market.slug in slugs)
        ]


def _json(value: object) -> web.Response:
    return web.Response(
        text=json.dumps(value, separators=(",", ":"), ensure_ascii=False),
        content_type="application/json",
    )
