"""A client of the EchoArb API: REST with typed records, WebSockets that resume.

    from echoarb.client import Client, Live

    with Client("http://127.0.0.1:8000") as api:
        for candle in api.candles(market="KXA-26", interval="1h"):
            print(candle.start_ts, candle.close)
        frame = api.ticks(market="KXA-26", since="2026-11-25T00:00:00Z").to_pandas()

    async for message in Live("http://127.0.0.1:8000", platform="kalshi"):
        print(message)

A key is an argument, or the variable ECHOARB_API_KEY. Prices are Decimal, times aware datetimes in
UTC, missing is None. This package imports nothing of the server.
"""

from echoarb.client.errors import ApiError, Unreachable
from echoarb.client.live import GapTold, Live, Reached, ResumeGap, Snapshot, TickTold
from echoarb.client.records import (
    Alert,
    Book,
    Candle,
    CoverageHour,
    Gap,
    LatencyStep,
    LatestOutcome,
    Market,
    Pair,
    Spread,
    Tick,
    Trade,
)
from echoarb.client.rest import Client, Rows

__all__ = [
    "Alert",
    "ApiError",
    "Book",
    "Candle",
    "Client",
    "CoverageHour",
    "Gap",
    "GapTold",
    "LatencyStep",
    "LatestOutcome",
    "Live",
    "Market",
    "Pair",
    "Reached",
    "ResumeGap",
    "Rows",
    "Snapshot",
    "Spread",
    "Tick",
    "TickTold",
    "Trade",
    "Unreachable",
]
