"""The codec is exact, refuses what does not fit, and never raises anything but Poison."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import string
from decimal import Decimal
from typing import Any

import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.alert import SEVERITIES, Alert
from schemas.codec import RECORDS, Record, decode, decode_framed, encode, parsed_schema, scaled
from schemas.deadletter import DeadLetter
from schemas.errors import Poison
from schemas.framing import HEADER_SIZE, frame, schema_id_of
from schemas.gap import Gap
from schemas.identity import event_id
from schemas.latency import STAGES, Latency, LatencyBucket
from schemas.legupdate import LegUpdate
from schemas.market import Market, Outcome
from schemas.spread import Spread, SpreadEdge, SpreadLeg
from schemas.tick import Tick

money = st.decimals(
    min_value=Decimal("-9999999999"), max_value=Decimal("9999999999"), places=8, allow_nan=False
)
moments = st.integers(min_value=-(2**52), max_value=2**53)
texts = st.text(alphabet=string.printable + "äЖ漢\x00", max_size=40)


def optional(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | strategy


ticks = st.builds(
    Tick,
    ingest_ts=moments,
    emit_ts=moments,
    source_ts=optional(moments),
    platform=texts,
    market_id=texts,
    outcome_id=texts,
    outcome=optional(texts),
    kind=st.sampled_from(["quote", "trade"]),
    price=optional(money),
    size=optional(money),
    bid=optional(money),
    bid_size=optional(money),
    ask=optional(money),
    ask_size=optional(money),
    side=st.sampled_from([None, "buy", "sell"]),
    volume=optional(money),
    open_interest=optional(money),
    sequence=optional(st.integers(-(2**63), 2**63 - 1)),
    tick_id=st.uuids(),
)
gaps = st.builds(
    Gap,
    gap_id=st.uuids(),
    platform=texts,
    market_id=optional(texts),
    connection=texts,
    reason=st.sampled_from(["other", "silence", "sequence", "overflow", "crossed_book"]),
    from_ts=optional(moments),
    to_ts=optional(moments),
    missed=optional(st.integers(0, 2**63 - 1)),
    detail=optional(texts),
)
markets = st.builds(
    Market,
    seen_ts=moments,
    platform=texts,
    market_id=texts,
    event_id=optional(texts),
    slug=optional(texts),
    title=texts,
    outcomes=st.lists(st.builds(Outcome, texts, texts), max_size=4).map(tuple),
    status=st.sampled_from(["unknown", "open", "resolved"]),
    resolution=optional(texts),
    open_ts=optional(moments),
    close_ts=optional(moments),
    unit=texts,
    tick_size=optional(money),
    min_size=optional(money),
    fee_type=optional(texts),
    fee_rate=optional(money),
    volume=optional(money),
    mechanism=optional(texts),
)
letters = st.builds(
    DeadLetter,
    failed_ts=moments,
    topic=texts,
    topic_id=optional(st.uuids()),
    partition=st.integers(0, 2**31 - 1),
    offset=st.integers(0, 2**63 - 1),
    append_ts=optional(moments),
    reason=texts,
    detail=texts,
    worker=texts,
    key=optional(st.binary(max_size=20)),
    value=optional(st.binary(max_size=60)),
)


counts = st.integers(0, 2**62)
latencies = st.builds(
    Latency,
    slot_ts=moments,
    platform=texts,
    stage=st.sampled_from(STAGES),
    part=texts,
    version=counts,
    count=counts,
    missing=counts,
    negative=counts,
    sum_us=st.integers(-(2**62), 2**62),
    min_us=optional(st.integers(-(2**62), 2**62)),
    max_us=optional(st.integers(-(2**62), 2**62)),
    buckets=st.lists(
        st.builds(LatencyBucket, st.integers(-(2**31), 2**31 - 1), counts), max_size=4
    ).map(tuple),
    floor_us=optional(st.integers(-(2**62), 2**62)),
    emit_ts=moments,
)
legs = st.builds(
    SpreadLeg,
    platform=texts,
    probability=optional(money),
    bid=optional(money),
    bid_size=optional(money),
    ask=optional(money),
    ask_size=optional(money),
    quote_ts=optional(moments),
    unusable=optional(texts),
)
edges = st.builds(
    SpreadEdge,
    buy=texts,
    sell=texts,
    difference=optional(money),
    edge=optional(money),
    fee_buy=optional(money),
    fee_sell=optional(money),
    size=optional(money),
    play_money=st.booleans(),
)
spreads = st.builds(
    Spread,
    ts=moments,
    pair_id=texts,
    description=texts,
    verified=st.booleans(),
    legs=st.lists(legs, max_size=3).map(tuple),
    edges=st.lists(edges, max_size=3).map(tuple),
    max_spread=optional(money),
    max_spread_pair=optional(texts),
    best_edge=optional(money),
    best_edge_pair=optional(texts),
    completeness=money,
    threshold=money,
)
alerts = st.builds(
    Alert,
    alert_id=st.uuids(),
    ts=moments,
    rule=texts,
    subject=texts,
    state=st.sampled_from(["raised", "acknowledged", "cleared"]),
    severity=st.sampled_from(SEVERITIES),
    raised_ts=moments,
    cleared_ts=optional(moments),
    platform=optional(texts),
    market_id=optional(texts),
    pair_id=optional(texts),
    value=optional(money),
    threshold=optional(money),
    unit=optional(texts),
    message=texts,
    detail=optional(texts),
    acknowledged_by=optional(texts),
    acknowledged_ts=optional(moments),
    acknowledged_note=optional(texts),
)

leg_updates = st.builds(
    LegUpdate,
    ts=moments,
    pair_id=texts,
    platform=texts,
    market_id=optional(texts),
    outcome_id=optional(texts),
    what=st.sampled_from(["quote", "gap", "market"]),
    bid=optional(money),
    bid_size=optional(money),
    ask=optional(money),
    ask_size=optional(money),
    reason=optional(texts),
    from_ts=optional(moments),
    to_ts=optional(moments),
    status=optional(texts),
    unit=optional(texts),
    fee_type=optional(texts),
    fee_rate=optional(money),
)


@given(st.one_of(ticks, gaps, markets, letters, latencies, spreads, alerts, leg_updates))
def test_a_record_survives_the_round_trip_exactly(record: Record) -> None:
    name = type(record).__name__.lower()
    assert decode(name, encode(record)) == record


@given(ticks, st.integers(0, 2**32 - 1))
def test_framing_is_confluents(tick: Tick, schema_id: int) -> None:
    value = frame(schema_id, encode(tick))
    assert value[0] == 0
    assert int.from_bytes(value[1:5]) == schema_id == schema_id_of(value)
    assert decode_framed("tick", value) == tick


@given(st.integers(2**48 + 1, 2**55 - 2))
def test_the_first_25_bytes_hold_the_three_timestamps(moment: int) -> None:
    """December 1978 to 3111: each timestamp is a zigzag varint of eight bytes at a fixed place."""
    tick = make_tick(ingest_ts=moment, emit_ts=moment + 1, source_ts=moment - 1)
    datum = encode(tick)

    def long_at(place: int) -> int:
        number = 0
        for index in range(8):
            byte = datum[place + index]
            number |= (byte & 0x7F) << (7 * index)
            assert bool(byte & 0x80) == (index < 7)
        return (number >> 1) ^ -(number & 1)

    assert datum[16] == 2  # the union's second branch: source_ts is known
    assert (long_at(0), long_at(8), long_at(17)) == (moment, moment + 1, moment - 1)


@given(st.sampled_from(sorted(RECORDS)), st.binary(max_size=200))
def test_arbitrary_bytes_are_a_record_or_poison(name: str, datum: bytes) -> None:
    with contextlib.suppress(Poison):
        assert isinstance(decode(name, datum), RECORDS[name])


@given(ticks, st.data())
def test_a_cut_or_lengthened_datum_is_poison(tick: Tick, data: st.DataObject) -> None:
    datum = encode(tick)
    cut = data.draw(st.integers(0, len(datum) - 1))
    with pytest.raises(Poison):
        decode("tick", datum[:cut])
    with pytest.raises(Poison, match="trailing"):
        decode("tick", datum + b"\x00")


@pytest.mark.parametrize("name", RECORDS)
@pytest.mark.parametrize("other", RECORDS)
def test_a_record_written_with_anothers_schema_is_poison(name: str, other: str) -> None:
    if name != other:
        with pytest.raises(Poison, match="truncated"):
            decode(name, encode(make_tick()), parsed_schema(other))


@pytest.mark.parametrize("number", [10**18, -(10**18), 10**18 + 1, 1 << 2000])
def test_a_decimal_that_is_too_long_is_refused_not_rounded(number: int) -> None:
    size = (number.bit_length() + 8) // 8
    prefix = encode(make_tick(bid=Decimal("0.5"), bid_size=None))
    short = b"\x02" + bytes([8]) + (50_000_000).to_bytes(4)
    length = io.BytesIO()
    fastavro.schemaless_writer(length, "bytes", number.to_bytes(size, "big", signed=True))
    assert prefix.count(short) == 1
    with pytest.raises(Poison, match="value"):
        decode("tick", prefix.replace(short, b"\x02" + length.getvalue()))


@given(st.binary(max_size=10))
def test_a_value_without_header_is_poison(value: bytes) -> None:
    if len(value) < HEADER_SIZE or value[0] != 0:
        with pytest.raises(Poison, match="framing"):
            schema_id_of(value)
    else:
        schema_id_of(value)


def test_a_null_value_is_poison() -> None:
    with pytest.raises(Poison, match="framing"):
        schema_id_of(None)


@pytest.mark.parametrize(
    "text", ["NaN", "Infinity", "-Infinity", "0.000000001", "10000000000", "1e30", "1e-30"]
)
def test_a_decimal_that_does_not_fit_is_refused_not_rounded(text: str) -> None:
    with pytest.raises(Poison, match="value"):
        encode(make_tick(price=Decimal(text)))


def test_long_decimals_are_not_rounded_on_the_way() -> None:
    with pytest.raises(Poison):
        scaled(Decimal("0." + "1" * 70))
    with pytest.raises(Poison, match="places"):
        scaled(Decimal("1e-999999999"))  # scaled it underflows to an exact zero
    assert scaled(Decimal("9999999999.99999999")) == 10**18 - 1
    assert scaled(Decimal("-0.00000001")) == -1


def test_a_tick_that_was_never_emitted_cannot_be_encoded() -> None:
    with pytest.raises(Poison, match="value"):
        encode(make_tick(emit_ts=None))


def make_tick(**changes: Any) -> Tick:
    moment = 1_790_000_000_000_000
    tick = Tick(
        ingest_ts=moment, emit_ts=moment, source_ts=None, platform="kalshi", market_id="M",
        outcome_id="M", outcome="yes", kind="quote", price=None, size=None, bid=Decimal("0.1"),
        bid_size=Decimal(5), ask=None, ask_size=None, side=None, volume=None, open_interest=None,
        sequence=None, tick_id=event_id("test"),
    )  # fmt: skip
    return dataclasses.replace(tick, **changes)
