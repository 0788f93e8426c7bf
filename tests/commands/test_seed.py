"""Sample records: functions of seed and hour, never of the hours before; all named SAMPLE."""

from __future__ import annotations

from collections import Counter
from functools import cache

from echoarb.seeding.sample import HOUR_US, PREFIX, Placed, Sample, described, pairs

BEGIN_US = 1_795_000_000 * 1_000_000 // HOUR_US * HOUR_US
HOURS = tuple(BEGIN_US + number * HOUR_US for number in range(5))


@cache
def made(seed: int, hours: tuple[int, ...]) -> list[Placed]:
    sample = Sample(seed, 2)
    return [each for begin in hours for each in sample.hour(begin)]


def test_later_days_agree_where_they_meet_earlier_ones() -> None:
    later = made(1, HOURS[-1:])
    assert made(1, HOURS)[-len(later) :] == later
    other = made(2, HOURS[-1:])
    assert [each.record for each in other] != [each.record for each in later]


def test_each_record_has_a_place_of_its_own_and_says_that_it_is_a_sample() -> None:
    records = [*described(1, 2, BEGIN_US), *made(1, HOURS)]
    places = Counter((each.topic_id, each.partition, each.offset) for each in records)
    assert max(places.values()) == 1
    others = {each.topic_id for each in [*described(2, 2, BEGIN_US), *made(2, HOURS)]}
    assert not others & {each.topic_id for each in records}
    for each in records:
        record = each.record
        match each.table:
            case "ticks" | "markets":
                assert record.market_id.startswith(PREFIX)
            case "spreads" | "alerts":
                assert record.pair_id in {pair.id for pair in pairs(2)}
                assert record.pair_id.startswith("sample-")
            case "latency":
                assert record.part.startswith("sample/")
            case "gaps":
                assert record.connection == "sample"
            case table:
                raise AssertionError(table)
    assert {"ticks", "markets", "spreads", "latency", "gaps", "alerts"} == {
        each.table for each in records
    }


def test_ticks_keep_out_of_gaps_and_quotes_do_not_cross() -> None:
    records = made(1, HOURS)
    gaps = [each.record for each in records if each.table == "gaps"]
    ticks = [each.record for each in records if each.table == "ticks"]
    assert gaps
    step = 20_000_000  # a tick lies within the step that began outside of the gap
    for gap in gaps:
        assert not [
            tick
            for tick in ticks
            if tick.platform == gap.platform and gap.from_ts + step <= tick.ingest_ts < gap.to_ts
        ]
    assert all(0 < tick.bid <= tick.ask < 1 for tick in ticks if tick.kind == "quote")
    assert all(tick.source_ts < tick.ingest_ts < tick.emit_ts for tick in ticks)


def test_alerts_are_raised_and_cleared_once_and_only_the_last_hour_leaves_some_open() -> None:
    sample = Sample(10, 8)  # whose third hour ends with an alert
    total = left_open = 0
    for begin in HOURS[2:4]:
        alerts = [each.record for each in sample.hour(begin) if each.table == "alerts"]
        states = Counter((alert.alert_id, alert.state) for alert in alerts)
        assert set(states.values()) <= {1}
        raised, cleared = (
            {alert.alert_id for alert in alerts if alert.state == state}
            for state in ("raised", "cleared")
        )
        assert raised == cleared
        last = [each.record for each in sample.hour(begin, last=True) if each.table == "alerts"]
        assert last == alerts[: len(last)]  # what the next seeding adds only clears
        total += len(raised)
        left_open += len(alerts) - len(last)
    assert total > left_open > 0
