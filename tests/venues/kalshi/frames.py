"""Kalshi frames made by hand, in the form of autumn 2026."""

from __future__ import annotations

import json
from typing import Any

from connectors.events import Frame

TICKER = "KXTEST-26DEC31-A"
OTHER = "KXTEST-26DEC31-B"
AT_US = 1_790_000_000_000_000


class Wire:
    """Builds frames of one connection, a millisecond apart."""

    def __init__(self, connection: str = "ws-0/1") -> None:
        self.connection = connection
        self.at_us = AT_US

    def frame(self, said: Any) -> Frame:
        """Return any JSON, or any text, as a frame."""
        self.at_us += 1000
        text = said if isinstance(said, str) else json.dumps(said) + "\n"
        return Frame(self.at_us, self.connection, text)

    def snapshot(
        self,
        seq: int,
        yes: dict[str, str],
        no: dict[str, str],
        ticker: str = TICKER,
        *,
        sid: int = 1,
        command: int | None = None,
    ) -> Frame:
        message: dict[str, Any] = {"market_ticker": ticker, "market_id": ""}
        if yes:
            message["yes_dollars_fp"] = [*map(list, yes.items())]
        if no:
            message["no_dollars_fp"] = [*map(list, no.items())]
        asked = {} if command is None else {"id": command}
        return self.frame(
            {"type": "orderbook_snapshot", **asked, "sid": sid, "seq": seq, "msg": message}
        )

    def delta(
        self,
        seq: int,
        side: str,
        price: str,
        change: str,
        ticker: str = TICKER,
        *,
        sid: int = 1,
        ts_ms: int | None = 1_790_000_000_000,
    ) -> Frame:
        message = {
            "market_ticker": ticker,
            "price_dollars": price,
            "delta_fp": change,
            "side": side,
        }
        dated = {} if ts_ms is None else {"ts_ms": ts_ms}
        return self.frame(
            {"type": "orderbook_delta", "sid": sid, "seq": seq, "msg": message | dated}
        )

    def trade(self, seq: int | None, *, sid: int = 2, **changes: Any) -> Frame:
        message = {
            "trade_id": "d91bc706-ee49-470d-82d8-11418bda6fed",
            "market_ticker": TICKER,
            "yes_price_dollars": "0.3600",
            "no_price_dollars": "0.6400",
            "count_fp": "136.00",
            "taker_outcome_side": "no",
            "ts_ms": 1_790_000_000_123,
        }
        numbered = {} if seq is None else {"seq": seq}
        return self.frame({"type": "trade", "sid": sid, **numbered, "msg": message | changes})

    def ticker(self, **changes: Any) -> Frame:
        message = {
            "market_ticker": TICKER,
            "yes_bid_dollars": "0.4500",
            "yes_ask_dollars": "0.5300",
            "yes_bid_size_fp": "300.00",
            "yes_ask_size_fp": "150.00",
            "volume_fp": "33896.00",
            "open_interest_fp": "20422.00",
            "ts_ms": 1_790_000_000_200,
        }
        return self.frame({"type": "ticker", "sid": 3, "msg": message | changes})

    def subscribed(self, channel: str, sid: int) -> Frame:
        return self.frame({"type": "subscribed", "id": 1, "msg": {"channel": channel, "sid": sid}})

    def error(self, code: int, sid: int | None = None, seq: int | None = None) -> Frame:
        said: dict[str, Any] = {"type": "error"}
        if sid is not None:
            said |= {"sid": sid, "seq": seq}
        return self.frame(said | {"msg": {"code": code, "msg": "as the venue words it"}})
