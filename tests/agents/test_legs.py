"""From ticks, gaps and markets to legs, and from legs to spreads, by feeding the steps batches."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import REGISTRY

from agents.legs import LegFacts, QuoteLegs
from agents.processor import Outgoing
from agents.spreads import QUIET_US, Spreads
from agents.transport import Batch
from schemas.codec import decode_framed, encode, parsed_schema
from schemas.errors import Transient
from schemas.framing import frame
from schemas.gap import Gap
from schemas.identity import event_id
from schemas.legupdate import LegUpdate
from schemas.market import Market
from schemas.pair import Leg, Pair
from schemas.spread import Spread
from schemas.tick import Tick
from tests.agents.pairing import NOW, QUADRATIC, gap, leg, market, outcome, pair, quote

SECOND = 1_000_000
SCHEMAS = {1: "tick", 2: "gap", 3: "market", 4: "legupdate"}
PAIR = pair(leg("kalshi", fee=QUADRATIC), leg("polymarket"))


def schema_of(schema_id: int) -> Any:
    return parsed_schema(SCHEMAS[schema_id])


@dataclass(frozen=True)
class Rec:
    """A Kafka record, as aiokafka delivers it."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None


def batch(
    topic: str, records: Sequence[tuple[str, Any]], partition: int = 0, ms: int = NOW // 1000
) -> Batch:
    """Return a batch of (key, record or raw value)."""
    numbers = {name: number for number, name in SCHEMAS.items()}

    def framed(value: Any) -> bytes | None:
        if value is None or isinstance(value, bytes):
            return value
        return frame(numbers[type(value).__name__.lower()], encode(value))

    return Batch(
        topic,
        partition,
        [Rec(at, ms, key.encode(), framed(value)) for at, (key, value) in enumerate(records)],
    )


def tick(at: int, market_id: str = "kalshi-1", **more: Any) -> tuple[str, Tick]:
    """Return key and quote."""
    found = Tick(
        ingest_ts=NOW + at, emit_ts=NOW + at, source_ts=None, platform="kalshi",
        market_id=market_id, outcome_id=market_id, outcome="yes", kind="quote", price=None,
        size=None, bid=Decimal(at) / 100, bid_size=Decimal(1), ask=Decimal("0.99"), ask_size=None,
        side=None, volume=None, open_interest=None, sequence=at, tick_id=event_id(at),
    )  # fmt: skip
    return market_id, dataclasses.replace(found, **more)


def updates(outgoing: Sequence[Outgoing]) -> list[LegUpdate]:
    """Return what goes to the topic legs, each checked for key and partition."""
    found = []
    for each in outgoing:
        assert isinstance(each.record, LegUpdate)
        assert (each.topic, each.key) == ("legs", each.record.key)
        assert each.partition_key == each.record.pair_id
        found.append(each.record)
    return found


def count(step: str, reason: str) -> float:
    labels = {"step": step, "reason": reason}
    return REGISTRY.get_sample_value("echoarb_spreads_unusable_total", labels) or 0


# Ticks


def test_of_a_batch_the_newest_quote_of_each_watched_outcome() -> None:
    step = QuoteLegs([PAIR], schema_of)
    read = batch("ticks.kalshi", [tick(1), tick(2, "other"), tick(3), tick(4, kind="trade")])
    [found] = updates(step.process(read, live=True))
    assert found == LegUpdate(
        NOW + 3, "p1", "kalshi", "kalshi-1", "kalshi-1", "quote",
        Decimal("0.03"), Decimal(1), Decimal("0.99"), None,
    )  # fmt: skip
    assert found.key == "p1|kalshi|kalshi-1|kalshi-1|quote"


def test_only_records_of_watched_markets_are_decoded() -> None:
    asked: list[int] = []

    def counting(schema_id: int) -> Any:
        asked.append(schema_id)
        return schema_of(schema_id)

    step = QuoteLegs([PAIR], counting)
    garbage = frame(1, b"\xff" * 30)
    read = batch("ticks.kalshi", [("other", garbage), ("kalshi-2", b""), tick(1)])
    assert len(step.process(read, live=True)) == 1
    assert asked == [1]
    # The same market id on another venue's topic is another market.
    assert step.process(batch("ticks.polymarket", [("kalshi-1", garbage)]), live=True) == []
    assert asked == [1]


def test_an_outcome_of_two_pairs_goes_to_both() -> None:
    second = Pair("p2", "And this?", PAIR.legs)
    found = updates(
        QuoteLegs([PAIR, second], schema_of).process(batch("ticks.kalshi", [tick(1)]), live=True)
    )
    assert sorted(each.pair_id for each in found) == ["p1", "p2"]


def test_only_the_outcomes_that_the_transform_takes_are_watched() -> None:
    ranges = tuple(outcome(f"r{at}", strike=Decimal(at)) for at in range(3))
    above = Leg("kalshi", ranges, "sum_above", "same", Decimal(1))
    step = QuoteLegs([pair(above, leg("polymarket"))], schema_of)
    read = batch("ticks.kalshi", [tick(at, f"r{at}") for at in range(3)])
    assert [each.market_id for each in updates(step.process(read, live=True))] == ["r1", "r2"]


BAD: list[tuple[bytes | None, str]] = [
    (None, "null"),
    (b"", "framing"),
    (b"\x00\x00\x00\x00\x01\xff", "truncated"),
    (frame(1, encode(tick(5)[1]) + b"!"), "trailing"),
    (frame(1, encode(tick(5, bid=Decimal("1.5"))[1])), "price"),
]


@pytest.mark.parametrize(("value", "reason"), BAD)
def test_what_cannot_be_used_is_counted_and_the_one_before_it_is_taken(
    value: bytes | None, reason: str
) -> None:
    before = count("legs", reason)
    read = batch("ticks.kalshi", [tick(3), ("kalshi-1", value)])
    [found] = updates(QuoteLegs([PAIR], schema_of).process(read, live=True))
    assert found.ts == NOW + 3
    assert count("legs", reason) == before + 1


def test_a_registry_that_is_away_is_no_record_s_fault() -> None:
    def away(schema_id: int) -> Any:
        raise Transient("no registry")

    with pytest.raises(Transient):
        QuoteLegs([PAIR], away).process(batch("ticks.kalshi", [tick(3)]), live=True)


# Gaps and markets


def a_gap(market_id: str | None, to_ts: int | None = None, **more: Any) -> tuple[str, Gap]:
    found = Gap(
        event_id("gap", market_id), "kalshi", market_id, "0/1", "silence", NOW, to_ts, None, None
    )
    return f"kalshi:{market_id or '*'}", dataclasses.replace(found, **more)


def a_market(market_id: str = "kalshi-1", **more: Any) -> tuple[str, Market]:
    found = Market(
        NOW, "kalshi", market_id, None, None, "Will it?", (), "open", None, None, None, "USD",
        None, None, "quadratic", Decimal(1), None, "order_book",
    )  # fmt: skip
    return f"kalshi:{market_id}", dataclasses.replace(found, **more)


def test_gaps_of_a_market_and_of_its_whole_platform() -> None:
    step = LegFacts([PAIR], schema_of)
    read = batch("gaps", [a_gap("kalshi-1"), a_gap("other"), a_gap(None), a_gap(None, NOW + 5)])
    found = updates(step.process(read, live=True))
    assert found == [
        gap("kalshi", "kalshi-1", NOW, reason="silence"),
        gap("kalshi", None, NOW, NOW + 5, reason="silence"),
    ]
    assert found[1].key == "p1|kalshi|*|-|gap:silence"
    assert step.pass_time(NOW) == []


def test_what_is_read_while_catching_up_is_published_once_as_it_is_then() -> None:
    step = LegFacts([PAIR], schema_of)
    assert step.process(batch("gaps", [a_gap("kalshi-1")]), live=False) == []
    assert step.process(batch("gaps", [a_gap("kalshi-1", NOW + 9)]), live=False) == []
    assert step.process(batch("markets", [a_market(status="paused")], 2), live=False) == []
    [fresh] = updates(step.process(batch("markets", [a_market()], 2), live=True))
    assert fresh == market("kalshi", fee_type="quadratic", fee_rate=Decimal(1))
    [waited] = updates(step.pass_time(NOW))
    assert (waited.what, waited.to_ts) == ("gap", NOW + 9)
    assert step.pass_time(NOW) == []


def test_revoked_partitions_are_left_to_others() -> None:
    step = LegFacts([PAIR], schema_of)
    step.process(batch("gaps", [a_gap("kalshi-1")], 0), live=False)
    step.process(batch("gaps", [a_gap(None)], 1), live=False)
    step.revoked([("gaps", 0)])
    assert [each.market_id for each in updates(step.pass_time(NOW))] == [None]


# Legs to spreads


def legs_batch(*records: LegUpdate, partition: int = 0, at: int = 0) -> Batch:
    """Return a batch of the topic legs, appended ``at`` microseconds after NOW."""
    return batch("legs", [(each.key, each) for each in records], partition, (NOW + at) // 1000)


def spreads(outgoing: Sequence[Outgoing]) -> list[Spread]:
    found = []
    for each in outgoing:
        assert isinstance(each.record, Spread)
        assert (each.topic, each.key) == ("spreads", each.record.pair_id)
        found.append(each.record)
    return found


QUOTES = (quote("kalshi", "0.40", "0.42"), quote("polymarket", "0.50", "0.54"))


def started(*records: LegUpdate) -> tuple[Spreads, list[Spread]]:
    step = Spreads([PAIR], schema_of)
    assert step.pass_time(NOW) == []
    return step, spreads(step.process(legs_batch(*records), live=True))


def test_a_change_is_published_at_once_and_the_next_one_waits() -> None:
    step, [first] = started(*QUOTES)
    assert first.ts == NOW
    assert first.max_spread == Decimal("0.11")
    held = [quote("kalshi", f"0.3{at}", "0.42") for at in range(5)]
    assert step.process(legs_batch(*held, at=100_000), live=True) == []
    assert step.pass_time(NOW + 200_000) == []
    [second] = spreads(step.pass_time(NOW + 300_000))
    assert second.legs[0].bid == Decimal("0.34")  # the newest wins
    assert step.pass_time(NOW + SECOND) == []
    [third] = spreads(
        step.process(legs_batch(quote("kalshi", "0.2", "0.42"), at=SECOND), live=True)
    )
    assert third.ts == NOW + SECOND


def test_the_same_again_is_not_published() -> None:
    step, found = started(*QUOTES)
    assert len(found) == 1
    assert step.process(legs_batch(*QUOTES, at=SECOND), live=True) == []


def test_time_alone_makes_a_leg_stale_and_a_gap_settle() -> None:
    step, [first] = started(*QUOTES)
    assert first.completeness == 1
    assert step.pass_time(NOW + 900 * SECOND) == []
    [later] = spreads(step.pass_time(NOW + 901 * SECOND))
    assert [each.unusable for each in later.legs] == ["stale", "stale"]
    assert step.pass_time(NOW + 902 * SECOND) == []
    step, _ = started(*QUOTES)
    over = gap("kalshi", None, NOW - 1, NOW + SECOND)
    [doubted] = spreads(step.process(legs_batch(over, at=SECOND), live=True))
    assert doubted.legs[0].unusable == "untrusted"
    assert step.pass_time(NOW + 2 * SECOND) == []
    [settled] = spreads(step.pass_time(NOW + 3 * SECOND))
    assert settled.legs[0].unusable is None


def test_nothing_is_published_while_catching_up() -> None:
    step = Spreads([PAIR], schema_of)
    assert step.process(legs_batch(QUOTES[0]), live=False) == []
    assert step.pass_time(NOW) == []
    assert step.process(legs_batch(QUOTES[1]), live=False) == []
    assert step.pass_time(NOW + SECOND) == []
    # Nothing more comes: that was all.
    [found] = spreads(step.pass_time(NOW + SECOND + QUIET_US))
    assert found.completeness == 1


def test_a_clock_from_the_future_on_a_record_moves_nothing_far() -> None:
    step, _ = started(*QUOTES)
    far = legs_batch(quote("kalshi", "0.41", "0.42"), at=10**15)
    [found] = spreads(step.process(far, live=True))
    assert found.ts == NOW + 5 * SECOND
    assert [each.unusable for each in found.legs] == [None, None]


def test_a_pair_goes_with_its_partition() -> None:
    step, [first] = started(*QUOTES)
    step.revoked([("legs", 1)])
    assert step.process(legs_batch(*QUOTES, at=SECOND), live=True) == []
    step.revoked([("legs", 0)])
    assert step.process(legs_batch(quote("kalshi", "0.3", "0.42"), at=SECOND), live=True) != []
    step.revoked([("legs", 0)])
    assert step.pass_time(NOW + 901 * SECOND) == []  # nothing to grow stale
    assert step.pass_time(NOW) == []
    [again] = spreads(step.process(legs_batch(*QUOTES, at=0), live=True))
    assert again.legs[0].bid == first.legs[0].bid


def test_pairs_that_are_not_configured_are_passed_over() -> None:
    step, _ = started(*QUOTES)
    other = dataclasses.replace(QUOTES[0], pair_id="gone")
    before = count("spreads", "truncated")
    junk = batch("legs", [("x", frame(4, b"\x02")), ("y", other)])
    assert step.process(junk, live=True) == []
    assert count("spreads", "truncated") == before + 1


anything = st.one_of(
    st.builds(
        lambda name, low, high, ts: quote(name, f"0.{low}", f"0.{high}", ts=NOW - ts),
        st.sampled_from(["kalshi", "polymarket"]),
        st.integers(10, 50),
        st.integers(51, 99),
        st.integers(0, 2000 * SECOND),
    ),
    st.builds(
        lambda name, whole, begin, end, reason: gap(
            name, None if whole else f"{name}-1", NOW - begin, None if end is None else NOW - end,
            reason=reason,
        ),
        st.sampled_from(["kalshi", "polymarket"]),
        st.booleans(),
        st.integers(0, 10 * SECOND),
        st.none() | st.integers(0, 10 * SECOND),
        st.sampled_from(["silence", "disconnect", "startup"]),
    ),
    st.builds(
        market, st.sampled_from(["kalshi", "polymarket"]), st.sampled_from(["open", "closed"])
    ),
)  # fmt: skip


@given(st.lists(anything, min_size=1, max_size=25), st.integers(0, 24), st.randoms())
def test_reading_the_topic_anew_gives_the_same_state(
    known: list[LegUpdate], cut: int, chance: Any
) -> None:
    """Whole, compacted to the newest of each key, or with a part read twice."""
    newest = {each.key: each for each in known}
    compacted = [newest[key] for key in dict.fromkeys(each.key for each in reversed(known))]
    chance.shuffle(compacted)
    twice = [*known[: cut + 1], *known]
    results = []
    for records in (known, compacted, twice):
        step = Spreads([PAIR], schema_of)
        half = len(records) // 2
        for part in (records[:half], records[half:]):
            if part:
                assert step.process(legs_batch(*part), live=False) == []
        assert step.pass_time(NOW) == []
        results.append(spreads(step.pass_time(NOW + QUIET_US)))
    assert len(results[0]) == 1
    assert results[0] == results[1] == results[2]


def test_a_legupdate_survives_the_topic() -> None:
    for each in (*QUOTES, gap("kalshi", None, NOW), market("kalshi")):
        assert decode_framed("legupdate", frame(4, encode(each)), schema_of) == each
