"""How the simulated venue's catalogue describes a market: Gamma and the socket's announcements."""

from __future__ import annotations

import base64
import json
from typing import Any

from echoarb.simulators.market import TICKS
from echoarb.simulators.polymarket.market import MINIMUM_SIZE, SimulatedMarket, to_text
from schemas.clock import isoformat

DAY_US = 86_400_000_000
MOST_A_PAGE = 100
FEE_RATE = 0.04
LABELS = ("Yes", "No")


def gamma_market(market: SimulatedMarket, now_us: int) -> dict[str, Any]:
    """Return a market as Gamma lists it: arrays as text, volume as text and number."""
    best_bid, best_ask = market.top(market.tokens[0])
    if market.winner is None:
        first = f"{(float(best_bid) + float(best_ask)) / 2:.4f}".rstrip("0")
        prices = [first, f"{1 - float(first):.4f}".rstrip("0")]
    else:
        prices = ["1" if token.token_id == market.winner else "0" for token in market.tokens]
    event = market.number + 100_000
    described: dict[str, Any] = {
        "id": str(market.number),
        "question": market.title,
        "conditionId": market.condition_id,
        "slug": market.slug,
        "resolutionSource": "",
        "endDate": isoformat(now_us - now_us % DAY_US + 30 * DAY_US)[:19] + "Z",
        "startDate": isoformat(now_us - now_us % DAY_US - DAY_US)[:19] + "Z",
        "outcomes": json.dumps(LABELS),
        "outcomePrices": json.dumps(prices),
        "volume": f"{1000 * market.number % 98_765}.4300000000003",
        "active": True,
        "closed": market.closed,
        "archived": False,
        "restricted": True,
        "enableOrderBook": True,
        "orderPriceMinTickSize": float(market.tick_size),
        "orderMinSize": int(MINIMUM_SIZE),
        "volumeNum": 1000 * market.number % 98_765 + 0.43,
        "clobTokenIds": json.dumps([token.token_id for token in market.tokens]),
        "makerBaseFee": 1000,
        "takerBaseFee": 1000,
        "acceptingOrders": not market.closed,
        "negRisk": market.neg_risk,
        "events": [{"id": str(event), "slug": market.slug, "title": market.title}],
        "spread": round((float(best_ask) - float(best_bid)) * TICKS) / TICKS,
        "bestBid": float(best_bid),
        "bestAsk": float(best_ask),
        "clearBookOnStart": False,
        "umaResolutionStatuses": "[]",
        "feesEnabled": True,
        "feeType": "politics_fees",
        "feeSchedule": {
            "exponent": 1, "rate": FEE_RATE, "takerOnly": True, "rebateRate": 0.25
        },
    }  # fmt: skip
    if market.winner is not None:
        described["umaResolutionStatus"] = "resolved"
        described["closedTime"] = isoformat(now_us)[:19].replace("T", " ") + "+00"
    return described


def new_market(market: SimulatedMarket, timestamp: int) -> dict[str, Any]:
    """Return the announcement of a market: real arrays, snake_case, numbers as text."""
    token_ids = [token.token_id for token in market.tokens]
    return {
        "id": str(market.number),
        "question": market.title,
        "market": market.condition_id,
        "slug": market.slug,
        "description": market.title,
        "assets_ids": token_ids,
        "outcomes": list(LABELS),
        "event_message": {
            "id": str(market.number + 100_000),
            "ticker": market.slug,
            "slug": market.slug,
            "title": market.title,
            "description": market.title,
        },
        "timestamp": str(timestamp),
        "event_type": "new_market",
        "tags": [],
        "condition_id": market.condition_id,
        "active": False,
        "clob_token_ids": token_ids,
        "sports_market_type": "",
        "line": "",
        "game_start_time": "",
        "order_price_min_tick_size": market.tick_size,
        "group_item_title": "",
        "taker_base_fee": "1000",
        "fees_enabled": True,
        "fee_schedule": {
            "exponent": "1",
            "rate": str(FEE_RATE),
            "taker_only": True,
            "rebate_rate": "0.25",
        },
    }


def market_resolved(market: SimulatedMarket, timestamp: int) -> dict[str, Any]:
    """Return the event of a resolution: no question, no asset_id."""
    labels = dict(zip((token.token_id for token in market.tokens), LABELS, strict=True))
    return {
        "id": str(market.number),
        "market": market.condition_id,
        "assets_ids": [token.token_id for token in market.tokens],
        "winning_asset_id": market.winner,
        "winning_outcome": labels[market.winner or ""],
        "event_message": None,
        "timestamp": str(timestamp),
        "event_type": "market_resolved",
        "tags": ["Simulated"],
    }


def cursor_of(position: int) -> str:
    """Return the opaque cursor of a position in the listing."""
    return base64.b64encode(to_text({"after": position}).encode()).decode()


def position_of(cursor: str) -> int:
    """Return the position that a cursor stands for. Raises ValueError."""
    try:
        return int(json.loads(base64.b64decode(cursor, validate=True))["after"])
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError("invalid cursor") from error
