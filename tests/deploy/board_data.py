"""Data under the boards: hours of samples, and by hand what samples have not."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import uuid5

from clickhouse_connect.driver.client import Client

from echoarb.seeding.insert import insert
from echoarb.seeding.sample import HOUR_US, Sample, described
from schemas.alert import Alert
from schemas.clock import now_us
from schemas.identity import event_id
from schemas.market import Outcome
from schemas.topics import PLATFORMS
from tests.api.support import TOPIC, Tables, make_gap, make_tick

HOURS = 4
MARKETS = 2
QUOTED = "O'BRIEN-26"
"""A market whose id has a quote in it."""
SECOND, MINUTE = 1_000_000, 60_000_000


@dataclass(frozen=True)
class Filled:
    """From when to when there is data, UTC microseconds, at full hours."""

    begin_us: int
    end_us: int


def fill(client: Client, database: str) -> Filled:
    """Fill an empty, migrated database; the last hour of data ended at most one hour ago."""
    end = now_us() // HOUR_US * HOUR_US
    begin = end - HOURS * HOUR_US
    samples(client, database, begin, end, MARKETS)
    tables = Tables(client)
    gaps(tables, begin, end)
    _quoted(tables, begin, end)
    alert(tables, end)
    return Filled(begin, end)


def samples(client: Client, database: str, begin: int, end: int, markets: int) -> None:
    """Insert the samples of whole hours, UTC microseconds."""
    sample = Sample(10, markets)
    insert(client, database, described(10, markets, begin))
    for hour in range(begin, end, HOUR_US):
        insert(client, database, sample.hour(hour, last=hour == end - HOUR_US))


def gaps(tables: Tables, begin: int, end: int) -> None:
    """Insert starts of connectors, one of them after an outage, and gaps of every sort."""
    whole: dict[str, Any] = {"market_id": None, "connection": ""}
    starts = [(platform, begin) for platform in PLATFORMS] + [("polymarket", begin + 2 * HOUR_US)]
    made = [
        make_gap(at, platform=platform, reason="startup", from_ts=None, to_ts=at, **whole)
        for platform, at in starts
    ]
    one = {"platform": "kalshi", "market_id": "SAMPLE-K0-rain-in-lisbon"}
    for reason, at, seconds in (
        ("book_mismatch", end - 50 * MINUTE, 7),
        ("crossed_book", end - 40 * MINUTE, 2),
        ("sequence", end - 30 * MINUTE, 90),
        ("sequence", end - 29 * MINUTE, 120),  # overlaps
    ):
        stretch = {"from_ts": at, "to_ts": at + seconds * SECOND, "missed": 3}
        made.append(make_gap(at, reason=reason, **one, **stretch))
    still_open = {"from_ts": end - 5 * MINUTE, "to_ts": None}
    made.append(make_gap(2, reason="silence", platform="manifold", **whole, **still_open))
    unknown = {"from_ts": None, "to_ts": begin + 20 * MINUTE}
    made.append(make_gap(3, reason="subscription", **one, **unknown))
    tables.insert("gaps", made, uuid5(TOPIC, "gaps"))


def _quoted(tables: Tables, begin: int, end: int) -> None:
    """Insert a market that closes in the board's time, a quote and a trade of it."""
    names = {"market_id": QUOTED, "outcome_id": QUOTED}
    (market,) = (
        placed.record for placed in described(10, 1, begin) if placed.record.platform == "kalshi"
    )
    market = dataclasses.replace(
        market,
        market_id=QUOTED,
        title="Will O'Brien win?",
        slug=None,
        outcomes=(Outcome(QUOTED, "yes"),),
        close_ts=end - 5 * MINUTE,
    )
    tables.insert("markets", [market], uuid5(TOPIC, "markets"))
    quote = make_tick(1, **names, ingest_ts=end - 10 * MINUTE, emit_ts=end - 10 * MINUTE + 90)
    trade = {"kind": "trade", "price": Decimal("0.43"), "size": Decimal(7), "side": "buy"}
    empty = dict.fromkeys(("bid", "bid_size", "ask", "ask_size"))
    at = end - 9 * MINUTE
    ticks = [
        quote,
        make_tick(2, **names, **empty, **trade, ingest_ts=at, emit_ts=at + 90, source_ts=at + 5),
    ]
    tables.insert("ticks", ticks, uuid5(TOPIC, "ticks"))


def alert(tables: Tables, end: int) -> None:
    """Insert an open alert that concerns no pair."""
    raised = end - 3 * MINUTE
    alert = Alert(
        **{
            **{field.name: None for field in dataclasses.fields(Alert)},
            **{"alert_id": event_id("alert", raised), "ts": raised, "rule": "silence"},
            **{"subject": "manifold", "state": "raised", "severity": "critical"},
            **{"raised_ts": raised, "platform": "manifold", "message": "manifold is silent"},
        }
    )
    tables.insert("alerts", [alert], uuid5(TOPIC, "alerts"))
