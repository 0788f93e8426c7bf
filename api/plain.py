"""The older system's WebSocket messages, for clients that were written for it.

Its numbers are JSON numbers and its times milliseconds; ours beside them are exact texts. What it
mixed up is kept apart: ``price`` is a trade's price, or a quote's mid if both sides are there, and
null otherwise; missing is null, never 0.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec

from schemas.clock import isoformat, now_us, parse_rfc3339
from schemas.spread import Spread

_NUMBERS = msgspec.json.Encoder(decimal_format="number")
_ONE = Decimal(1)


def number_text(value: Any) -> str:
    """Return a JSON value as text, decimals as numbers."""
    return _NUMBERS.encode(value).decode()


def tick_fields(data: str) -> str:
    """Return ``"timestamp":...,"tick":{...}`` for a tick's JSON text."""
    fields = number_text(tick(msgspec.json.decode(data)))
    return f'"timestamp":"{isoformat(now_us())}","tick":{fields}'


def tick(data: dict[str, Any]) -> dict[str, Any]:
    """Return a tick as the older system had it, from its JSON object."""

    def number(name: str) -> Decimal | None:
        return None if data[name] is None else Decimal(data[name])

    bid, ask, trade = number("bid"), number("ask"), data["kind"] == "trade"
    source, ingest, emit = (_millis(data[name]) for name in ("source_ts", "ingest_ts", "emit_ts"))
    mid = spread = None
    if bid is not None and ask is not None:
        mid, spread = (bid + ask) / 2, ask - bid
    return {
        "source": data["platform"].upper(),
        # Polymarket's contracts are tokens; elsewhere a contract is a market.
        "contract_id": data["outcome_id" if data["platform"] == "polymarket" else "market_id"],
        "price": number("price") if trade else mid,
        "ts_source": source,
        "ts_ingest": ingest,
        "ts_emit": emit,
        "timestamp": data["source_ts"] or data["ingest_ts"],
        "latency_ms": None if source is None or ingest is None else ingest - source,
        "yes_bid": bid,
        "yes_ask": ask,
        "no_bid": None if ask is None else _ONE - ask,
        "no_ask": None if bid is None else _ONE - bid,
        "spread": spread,
        "last_price": number("price"),
        "bid_size": number("bid_size"),
        "ask_size": number("ask_size"),
        "trade_size": number("size"),
        "trade_side": None if data["side"] is None else data["side"].upper(),
        "volume": number("volume"),
        "open_interest": number("open_interest"),
        "market_id": data["market_id"],
        "outcome_id": data["outcome_id"],
        "event_type": data["kind"],
        # The older system's too; our ticks say nothing of them.
        "market_name": None,
        "dollar_volume": None,
        "dollar_open_interest": None,
        "fee_rate_bps": None,
    }


def _millis(text: str | None) -> int | None:
    return None if text is None else parse_rfc3339(text) // 1000


def trigger(spread: Spread) -> dict[str, Any]:
    """Return what brought a spread about, as far as its record tells: the leg quoted last.

    ``price`` is that leg's probability, ``latency_ms`` the age of its quote at the evaluation. The
    record has no single contract, a leg may rest on several.
    """
    quoted = [leg for leg in spread.legs if leg.quote_ts is not None]
    if not quoted:
        return {"source": None, "contract_id": None, "price": None, "latency_ms": None}
    leg = max(quoted, key=lambda each: each.quote_ts or 0)
    age = (spread.ts - (leg.quote_ts or 0)) // 1000
    return {
        "source": leg.platform.upper(),
        "contract_id": None,
        "price": leg.probability,
        "latency_ms": age,
    }
