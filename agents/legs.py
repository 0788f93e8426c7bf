"""Legs: of everything on the topics, what the configured pairs rest on, put on the topic legs.

Quotes are read from where the group has committed; only records whose key is a watched market are
decoded. Gaps and markets are read from their beginning at each start, since a pair that was added
yesterday needs what was said before.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from decimal import Decimal
from typing import Any

from agents.processor import Outgoing, Place
from agents.spread_metrics import UNUSABLE
from agents.transport import Batch
from agents.watch import Watch
from schemas.codec import Record, decode_framed
from schemas.errors import Poison
from schemas.gap import Gap
from schemas.legupdate import LegUpdate
from schemas.market import Market
from schemas.pair import Pair
from schemas.tick import Tick
from schemas.topics import GAPS, LEGS, MARKETS, PLATFORMS, ticks_topic

SchemaOf = Callable[[int], Any]
"""The writer's schema of an id, as Registry.schema: may raise Poison or Transient."""


def outgoing(update: LegUpdate) -> Outgoing:
    """Return how an update is published."""
    return Outgoing(LEGS.name, update.key, update, partition_key=update.pair_id)


def read(name: str, value: bytes | None, schema_of: SchemaOf, step: str) -> Record | None:
    """Return the record in a value; None, counted, if it can't be used. Raises Transient."""
    try:
        if value is None:
            raise Poison("null", "no value")
        return decode_framed(name, value, schema_of)
    except Poison as error:
        UNUSABLE.labels(step, error.reason).inc()
        return None


class QuoteLegs:
    """Ticks to quotes of legs: of each batch the newest top of book of each watched outcome."""

    name = "legs"
    rebuilt = False

    def __init__(self, pairs: Iterable[Pair], schema_of: SchemaOf) -> None:
        self._watch = Watch(pairs)
        self._schema_of = schema_of
        # Every platform's, though no pair may name it: the group's offsets go on with the topic.
        self.topics = tuple(ticks_topic(platform) for platform in PLATFORMS)

    def process(self, batch: Batch, *, live: bool) -> list[Outgoing]:
        """Return the batch's newest quotes."""
        found: list[Outgoing] = []
        lacking: dict[bytes, set[str]] = {}
        for record in reversed(batch.records):
            watched = self._watch.outcomes(batch.topic, record.key or b"")
            if watched is None:
                continue
            left = lacking.setdefault(record.key, set(watched))
            if not left:
                continue
            tick = read("tick", record.value, self._schema_of, self.name)
            if not isinstance(tick, Tick) or tick.kind != "quote" or tick.outcome_id not in left:
                continue
            if not all(_is_price(price) for price in (tick.bid, tick.ask)):
                UNUSABLE.labels(self.name, "price").inc()
                continue
            left.discard(tick.outcome_id)
            for pair_id, platform in watched[tick.outcome_id]:
                found.append(outgoing(_of_quote(tick, pair_id, platform)))
        return found[::-1]

    def pass_time(self, now_us: int) -> list[Outgoing]:
        """Time alone brings nothing."""
        return []

    def revoked(self, places: Collection[Place]) -> None:
        """Nothing is kept."""


class LegFacts:
    """Gaps and markets to facts about legs: the newest of each key, when it is said anew."""

    name = "leg-facts"
    topics: tuple[str, ...] = (GAPS.name, MARKETS.name)
    rebuilt = True

    def __init__(self, pairs: Iterable[Pair], schema_of: SchemaOf) -> None:
        self._watch = Watch(pairs)
        self._schema_of = schema_of
        self._waiting: dict[str, tuple[Place, LegUpdate]] = {}
        """What was read while catching up, by record key; published when time passes."""

    def process(self, batch: Batch, *, live: bool) -> list[Outgoing]:
        """Return the batch's newest facts."""
        newest: dict[str, LegUpdate] = {}
        for record in batch.records:
            pair_ids = self._watch.pairs(record.key or b"")
            if not pair_ids:
                continue
            name = "gap" if batch.topic == GAPS.name else "market"
            said = read(name, record.value, self._schema_of, self.name)
            for pair_id in pair_ids:
                if isinstance(said, Gap):
                    update = _of_gap(said, pair_id, record.timestamp * 1000)
                elif isinstance(said, Market):
                    update = _of_market(said, pair_id)
                else:
                    continue
                newest[update.key] = update
        place = (batch.topic, batch.partition)
        if not live:
            self._waiting.update({key: (place, update) for key, update in newest.items()})
            return []
        for key in newest:
            self._waiting.pop(key, None)
        return [outgoing(update) for update in newest.values()]

    def pass_time(self, now_us: int) -> list[Outgoing]:
        """Return what was read while catching up."""
        waiting, self._waiting = self._waiting, {}
        return [outgoing(update) for _, update in waiting.values()]

    def revoked(self, places: Collection[Place]) -> None:
        """Leave what was read of these partitions to whoever reads them now."""
        self._waiting = {
            key: (place, update)
            for key, (place, update) in self._waiting.items()
            if place not in places
        }


def _is_price(value: Decimal | None) -> bool:
    return value is None or 0 <= value <= 1


def _of_quote(tick: Tick, pair_id: str, platform: str) -> LegUpdate:
    return LegUpdate(
        ts=tick.ingest_ts,
        pair_id=pair_id,
        platform=platform,
        market_id=tick.market_id,
        outcome_id=tick.outcome_id,
        what="quote",
        bid=tick.bid,
        bid_size=tick.bid_size,
        ask=tick.ask,
        ask_size=tick.ask_size,
    )


def _of_gap(gap: Gap, pair_id: str, said_us: int) -> LegUpdate:
    return LegUpdate(
        ts=said_us,
        pair_id=pair_id,
        platform=gap.platform,
        market_id=gap.market_id,
        outcome_id=None,
        what="gap",
        reason=gap.reason,
        from_ts=gap.from_ts,
        to_ts=gap.to_ts,
    )


def _of_market(market: Market, pair_id: str) -> LegUpdate:
    return LegUpdate(
        ts=market.seen_ts,
        pair_id=pair_id,
        platform=market.platform,
        market_id=market.market_id,
        outcome_id=None,
        what="market",
        status=market.status,
        unit=market.unit,
        fee_type=market.fee_type,
        fee_rate=market.fee_rate,
    )
