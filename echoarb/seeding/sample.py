"""Sample records of some days: the simulated venues' questions, every one named SAMPLE. Pure.

What is made of a seed and an hour is the same each time, place in Kafka included, whatever hours
went before: a second seeding, of the same days or of later ones, replaces the first where they
meet.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

import numpy as np

from agents.alert_rules import of_spread
from agents.alert_settings import AlertSettings
from agents.latency_slots import latency_record
from agents.pair_state import PairState
from echoarb.simulators.market import QUESTIONS, belief
from schemas.alert import Alert
from schemas.gap import Gap
from schemas.histogram import count
from schemas.identity import event_id
from schemas.latency import STAGES, Latency
from schemas.legupdate import LegUpdate
from schemas.market import Market, Outcome
from schemas.pair import Leg, Pair, PairOutcome, ReviewedFee
from schemas.spread import Spread
from schemas.tick import Tick
from schemas.topics import PLATFORMS, TICK_PARTITIONS

PREFIX = "SAMPLE-"
STEP_SECONDS = 20
HOUR_US = 3600 * 1_000_000
MINUTE_US = 60 * 1_000_000
THRESHOLD = Decimal("0.07")
_UNITS = {"kalshi": "USD", "polymarket": "USDC", "manifold": "MANA"}
_FEES = {
    "kalshi": ReviewedFee("quadratic", Decimal(1), "2026-09-01"),
    "polymarket": ReviewedFee("quadratic", Decimal("0.04"), "2026-09-01"),
}
"""Without both there would be no executable edge to show."""
_LATENCY_US = {
    "source_ingest": (35_000.0, 0.6),
    "ingest_emit": (250.0, 0.7),
    "emit_append": (2_500.0, 0.5),
    "append_stored": (700_000.0, 0.4),
}
"""Median and sigma of lognormal delays."""


@dataclass(frozen=True, slots=True)
class Placed:
    """A record for a table, with its place in a Kafka that never was."""

    table: str
    record: Any
    topic_id: UUID
    partition: int
    offset: int
    append_us: int


def topic_id(topic: str, seed: int) -> UUID:
    """Return the id of a topic of a seed's samples."""
    return uuid5(NAMESPACE_URL, f"echoarb-sample/{seed}/{topic}")


def market_id(platform: str, question: int) -> str:
    """Return a sample market's id; its one outcome is called the same."""
    return f"{PREFIX}{platform[0].upper()}{question}-{QUESTIONS[question][0]}"


def pairs(markets: int) -> list[Pair]:
    """Return the pairs over the sample markets: the same question on each venue."""
    return [
        Pair(
            id=f"sample-{QUESTIONS[question][0]}",
            description=f"SAMPLE: {QUESTIONS[question][1]}",
            legs=tuple(_leg(platform, question) for platform in PLATFORMS),
            alert_threshold=THRESHOLD,
            resolution="Sample data: nothing of it ever happened.",
        )
        for question in range(markets)
    ]


def _leg(platform: str, question: int) -> Leg:
    name = market_id(platform, question)
    return Leg(platform=platform, outcomes=(PairOutcome(name, name),), fee=_FEES.get(platform))


def described(seed: int, markets: int, at_us: int) -> Iterator[Placed]:
    """Yield the sample markets."""
    for platform in PLATFORMS:
        for question in range(markets):
            name = market_id(platform, question)
            record = Market(
                seen_ts=at_us,
                platform=platform,
                market_id=name,
                event_id=None,
                slug=f"sample-{QUESTIONS[question][0]}",
                title=f"SAMPLE: {QUESTIONS[question][1]}",
                outcomes=(Outcome(name, "yes"),),
                status="open",
                resolution=None,
                open_ts=None,
                close_ts=None,
                unit=_UNITS[platform],
                tick_size=None,
                min_size=None,
                fee_type=None,
                fee_rate=None,
                volume=None,
                mechanism=None,
            )
            number = PLATFORMS.index(platform) * 100 + question
            yield Placed("markets", record, topic_id("markets", seed), 0, number, at_us)


@dataclass(slots=True)
class Sample:
    """Makes the records of hours."""

    seed: int
    markets: int
    _states: list[PairState] = field(default_factory=list)
    _open: dict[str, Alert] = field(default_factory=dict)
    _settings: AlertSettings = field(default_factory=AlertSettings.load)

    def hour(self, begin_us: int, *, last: bool = False) -> Iterator[Placed]:
        """Yield what happened in the hour that begins then, UTC microseconds.

        Alerts are cleared at its end; the last hour leaves them open, so that there is something
        to acknowledge.
        """
        self._states = [PairState(pair) for pair in pairs(self.markets)]
        self._open = {}
        gaps = {platform: self._gap(platform, begin_us) for platform in PLATFORMS}
        for gap in gaps.values():
            if gap is not None:
                number = (gap.from_ts or 0) // 1_000_000
                yield self._placed("gaps", gap, number, gap.to_ts or 0)
        for at_us in range(begin_us, begin_us + HOUR_US, STEP_SECONDS * 1_000_000):
            for platform in PLATFORMS:
                gap = gaps[platform]
                if gap is not None and (gap.from_ts or 0) <= at_us < (gap.to_ts or 0):
                    continue
                for question in range(self.markets):
                    yield from self._ticks(platform, question, at_us)
            if at_us % MINUTE_US == 0:
                yield from self._spreads(at_us)
                yield from self._latencies(at_us)
        if not last:
            yield from self._cleared(begin_us + HOUR_US)

    def _gap(self, platform: str, begin_us: int) -> Gap | None:
        """Return the gap of an hour: there is one in every sixth or so."""
        chance = random.Random(f"{self.seed}/gap/{platform}/{begin_us}")
        if chance.random() > 0.17:
            return None
        start = begin_us + chance.randrange(5 * MINUTE_US, 45 * MINUTE_US)
        reason: Any = chance.choice(["disconnect", "silence", "sequence"])
        return Gap(
            gap_id=event_id("sample-gap", self.seed, platform, begin_us),
            platform=platform,
            market_id=None,
            connection="sample",
            reason=reason,
            from_ts=start,
            to_ts=start + chance.randrange(MINUTE_US, 8 * MINUTE_US),
            missed=None,
            detail="sample data",
        )

    def _ticks(self, platform: str, question: int, at_us: int) -> Iterator[Placed]:
        name = market_id(platform, question)
        chance = random.Random(f"{self.seed}/{name}/{at_us}")
        ingest = at_us + chance.randrange(STEP_SECONDS * 1_000_000)
        worth = belief(self.seed, question, platform, at_us / 1e6)
        cents = Decimal(round(worth * 100)) / 100
        half = Decimal(0) if platform == "manifold" else Decimal(chance.randint(1, 3)) / 200
        quote: dict[str, Any] = {
            "bid": max(cents - half, Decimal("0.001")),
            "ask": min(cents + half, Decimal("0.999")),
        }
        if platform != "manifold":
            quote |= {side: Decimal(chance.randint(10, 900)) for side in ("bid_size", "ask_size")}
        kinds: list[tuple[str, dict[str, Any]]] = [("quote", quote)]
        if chance.random() < 0.3:
            side = chance.choice(["buy", "sell"])
            price = quote["ask"] if side == "buy" else quote["bid"]
            trade = {"price": price, "size": Decimal(chance.randint(1, 300)), "side": side}
            kinds.append(("trade", trade))
        empty = dict.fromkeys(
            ("price", "size", "bid", "bid_size", "ask", "ask_size", "side", "volume")
        )
        for number, (kind, fields) in enumerate(kinds):
            tick = Tick(
                ingest_ts=ingest + number,
                emit_ts=ingest + number + chance.randrange(100, 900),
                source_ts=ingest - chance.randrange(15_000, 90_000),
                platform=platform,
                market_id=name,
                outcome_id=name,
                outcome="yes",
                kind=kind,  # type: ignore[arg-type]
                **{**empty, **fields},
                open_interest=None,
                sequence=None,
                tick_id=event_id("sample", self.seed, name, at_us, kind),
            )
            topic = topic_id(f"ticks.{platform}", self.seed)
            offset = at_us // 1_000_000 * 16 + question * 2 + number
            append = (tick.emit_ts or 0) // 1000 * 1000 + 3000
            yield Placed("ticks", tick, topic, question % TICK_PARTITIONS, offset, append)
        self._states[question].apply(
            LegUpdate(
                ts=ingest,
                pair_id=self._states[question].pair.id,
                platform=platform,
                market_id=name,
                outcome_id=name,
                what="quote",
                bid=quote["bid"],
                bid_size=quote.get("bid_size"),
                ask=quote["ask"],
                ask_size=quote.get("ask_size"),
            )
        )

    def _spreads(self, at_us: int) -> Iterator[Placed]:
        for question, state in enumerate(self._states):
            spread, _ = state.spread(at_us + STEP_SECONDS * 1_000_000)
            number = at_us // MINUTE_US * 100 + question
            yield self._placed("spreads", spread, number, spread.ts)
            alert = self._alert(spread)
            if alert is not None:
                yield self._placed("alerts", alert, number, alert.ts)

    def _cleared(self, at_us: int) -> Iterator[Placed]:
        for question, pair in enumerate(pairs(self.markets)):
            known = self._open.get(pair.id)
            if known is not None:
                alert = replace(known, state="cleared", ts=at_us, cleared_ts=at_us)
                number = (at_us // MINUTE_US - 1) * 100 + 50 + question
                yield self._placed("alerts", alert, number, at_us)

    def _placed(self, table: str, record: Any, offset: int, append_us: int) -> Placed:
        return Placed(table, record, topic_id(table, self.seed), 0, offset, append_us)

    def _alert(self, spread: Spread) -> Alert | None:
        """Return an alert that is raised or cleared by a spread."""
        size, known = spread.max_spread, self._open.get(spread.pair_id)
        if known is not None and (size is None or size < spread.threshold * Decimal("0.8")):
            del self._open[spread.pair_id]
            return replace(known, state="cleared", ts=spread.ts, cleared_ts=spread.ts)
        if known is not None or size is None or size <= spread.threshold:
            return None
        finding = of_spread(spread, self._settings)
        alert = Alert(
            alert_id=event_id("sample-alert", self.seed, spread.pair_id, spread.ts),
            ts=spread.ts,
            rule="spread",
            subject=spread.pair_id,
            state="raised",
            severity=finding.severity,
            raised_ts=spread.ts,
            cleared_ts=None,
            platform=None,
            market_id=None,
            pair_id=spread.pair_id,
            value=size,
            threshold=spread.threshold,
            unit="probability",
            message=finding.message,
            detail=finding.detail,
            acknowledged_by=None,
            acknowledged_ts=None,
            acknowledged_note=None,
        )
        self._open[spread.pair_id] = alert
        return alert

    def _latencies(self, at_us: int) -> Iterator[Placed]:
        for number, platform in enumerate(PLATFORMS):
            for place, stage in enumerate(STAGES):
                chance = np.random.default_rng([self.seed, number, place, at_us // MINUTE_US])
                median, sigma = _LATENCY_US[stage]
                late = chance.lognormal(np.log(median), sigma, 40).astype(np.int64)
                counted = count(late)
                floor = counted.min_us if stage == "source_ingest" else None
                part = f"sample/{self.seed}"  # no part that real histograms could have
                record: Latency = latency_record(
                    (at_us, stage), platform, part, counted.count, counted, floor, at_us + MINUTE_US
                )
                offset = at_us // MINUTE_US * 100 + number * 10 + place
                yield self._placed("latency", record, offset, at_us + MINUTE_US)
