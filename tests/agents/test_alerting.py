"""Each rule raised, told once, cleared with hysteresis, under a simulated clock."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from agents.alert_latency import quantile_us
from agents.alert_rules import severity_of_spread
from schemas.alert import Alert
from schemas.alert_detail import read_spread_detail
from schemas.gap import Gap
from schemas.identity import event_id
from schemas.topics import ALERTS, GAPS, SPREADS

from .alarm import SECOND, T0, Sim, settings


def brief(alerts: list[Alert]) -> list[tuple[str, str, str]]:
    return [(alert.rule, alert.subject, alert.state) for alert in alerts]


def test_a_spread_is_raised_above_its_threshold_and_cleared_well_below() -> None:
    sim = Sim()
    assert sim.feed(sim.spread("0.05")) == []  # at the threshold is not above it
    [raised] = sim.feed(sim.spread("0.055"))
    assert brief([raised]) == [("spread", "rate", "raised")]
    assert raised.alert_id == event_id("spread", "rate", raised.raised_ts)
    assert raised.raised_ts == raised.ts == T0
    assert (raised.severity, raised.value, raised.threshold) == (
        "low",
        Decimal("0.055"),
        Decimal("0.05"),
    )
    assert raised.pair_id == "rate"
    assert raised.unit == "probability"
    sim.wait(5)
    assert sim.feed(sim.spread("0.061")) == []  # one open alert, not worth telling again
    assert sim.feed(sim.spread("0.045")) == []
    assert sim.wait(60) == []  # below the threshold, not below the clear ratio of it
    assert sim.feed(sim.spread("0.04")) == []
    begun = sim.now
    assert sim.wait(29) == []
    [cleared] = sim.wait(1)
    assert cleared.state == "cleared"
    assert cleared.alert_id == raised.alert_id
    assert cleared.cleared_ts == cleared.ts == begun + 30 * SECOND
    assert cleared.raised_ts == raised.raised_ts
    assert sim.wait(3600, 60) == []


def test_a_spread_around_its_threshold_does_not_flap() -> None:
    sim = Sim()
    sim.feed(sim.spread("0.06"))
    for _ in range(50):
        sim.wait(10)
        assert sim.feed(sim.spread("0.039")) == []
        sim.wait(10)
        assert sim.feed(sim.spread("0.051")) == []
    assert brief(sim.said) == [("spread", "rate", "raised")]


def test_a_spread_that_gets_worse_is_told_at_once_and_better_only_with_its_value() -> None:
    sim = Sim()
    sim.feed(sim.spread("0.099"))
    [worse] = sim.feed(sim.spread("0.10"))
    assert (worse.state, worse.severity) == ("raised", "medium")
    assert sim.feed(sim.spread("0.099"), sim.spread("0.101")) == []
    [back] = sim.feed(sim.spread("0.08"))
    assert back.severity == "low"
    assert {alert.alert_id for alert in sim.said} == {worse.alert_id}


@pytest.mark.parametrize(
    ("size", "severity"),
    [("0.05", "low"), ("0.0999", "low"), ("0.10", "medium"), ("0.15", "high"), ("0.2", "critical")],
)
def test_severity_bands(size: str, severity: str) -> None:
    assert severity_of_spread(Decimal(size)) == severity


def test_a_spread_says_whether_it_can_be_had() -> None:
    sim = Sim()
    [alert] = sim.feed(sim.spread("0.12", edge="0.03"))
    detail = read_spread_detail(alert.detail)
    assert detail is not None
    assert detail.executable
    assert detail.spread == sim.spread("0.12", edge="0.03")
    assert "0.03 a contract after fees at kalshi-polymarket" in alert.message
    [other] = sim.feed(sim.spread("0.12", edge="-0.01", pair="other"))
    assert "nothing to be had" in other.message
    assert (detail := read_spread_detail(other.detail)) is not None
    assert not detail.executable
    assert read_spread_detail(None) is read_spread_detail('{"executable": 1}') is None


def test_a_spread_that_can_not_be_told_any_more_is_over() -> None:
    sim = Sim()
    sim.feed(sim.spread("0.3"))
    sim.wait(1)
    sim.feed(sim.spread(None))
    [cleared] = sim.wait(40)
    assert cleared.state == "cleared"
    assert cleared.value is None
    assert "can't be told" in cleared.message


def test_a_spread_may_have_to_stand_for_a_while() -> None:
    sim = Sim(settings(alert_spread_seconds=10))
    sim.feed(sim.spread("0.3"))
    sim.wait(9)
    sim.feed(sim.spread("0.05"))
    assert sim.wait(60) == []
    sim.feed(sim.spread("0.3"))
    begun = sim.now
    sim.wait(5)
    sim.feed(sim.spread("0.4"))
    [raised] = sim.wait(20)
    assert raised.raised_ts == begun + 10 * SECOND


def test_latency_is_merged_over_parts_and_minutes() -> None:
    sim = Sim()
    slow = 630  # the bucket around 256 ms
    assert 250_000 < (quantile_us([sim.latency(slow)], 0.5) or 0) < 262_000
    # 1 % of all ticks is the limit: 10 of 1,010 don't move p99, 20 of 1,020 do.
    sim.feed(sim.latency(100, 1000), sim.latency(slow, 10, part="x/1"))
    assert sim.wait(50) == []
    sim.feed(sim.latency(slow, 20, part="x/1"))
    begun = sim.now
    [raised] = sim.wait(60)
    assert brief([raised]) == [("latency", "kalshi/ingest_emit", "raised")]
    assert raised.raised_ts == begun + 31 * SECOND  # looked at a second later, stands for 30
    assert raised.severity == "medium"
    assert (raised.unit, raised.threshold, raised.platform) == ("ms", Decimal(250), "kalshi")
    assert sim.feed(sim.latency(100, 5000)) == []
    [cleared] = sim.wait(120)
    assert cleared.state == "cleared"


def test_an_older_histogram_does_not_replace_a_newer_one() -> None:
    sim = Sim(settings(alert_latency_seconds=0))
    sim.feed(sim.latency(630, version=5), sim.latency(100, version=4))
    assert brief(sim.wait(1)) == [("latency", "kalshi/ingest_emit", "raised")]


def test_few_ticks_say_nothing_of_latency_and_old_ones_nothing_any_more() -> None:
    sim = Sim(settings(alert_latency_seconds=0, alert_silence_seconds=10**6))
    sim.feed(sim.latency(900, 19))
    assert sim.wait(300, 5) == []
    sim.feed(sim.latency(900, 20))
    assert brief(sim.wait(5)) == [("latency", "kalshi/ingest_emit", "raised")]
    assert brief(sim.wait(400, 5)) == [("latency", "kalshi/ingest_emit", "cleared")]


def test_age_that_grows_minute_after_minute_is_raised() -> None:
    sim = Sim(settings(alert_silence_seconds=10**6, alert_latency_source_ingest_ms=10**9))
    for minute in range(7):
        sim.feed(
            sim.latency(stage="source_ingest", lowest=1000 + minute * 500_000),
            sim.latency(stage="source_ingest", lowest=9_000_000, part="x/1"),
        )
        assert brief(sim.wait(60, 5)) == ([("age_growing", "kalshi", "raised")] * (minute == 5))
    [alert] = sim.said
    assert alert.value == Decimal(2500)
    assert alert.severity == "high"
    sim.feed(sim.latency(stage="source_ingest", lowest=1000))
    assert brief(sim.wait(120, 5)) == [("age_growing", "kalshi", "cleared")]


def test_age_that_grows_a_little_is_no_matter() -> None:
    sim = Sim(settings(alert_silence_seconds=10**6))
    for minute in range(20):
        sim.feed(sim.latency(stage="source_ingest", lowest=minute * 100_000))
        assert sim.wait(60, 5) == []


def test_silence_of_a_platform() -> None:
    sim = Sim()
    sim.feed(sim.latency())
    sim.wait(200)
    sim.feed(sim.latency(version=sim.now, count=60))  # next minute
    heard = sim.now
    assert sim.wait(299) == []
    [raised] = sim.wait(1)
    assert brief([raised]) == [("silence", "kalshi", "raised")]
    assert raised.raised_ts == heard + 300 * SECOND
    assert raised.severity == "high"
    [worse] = sim.wait(700)
    assert (worse.severity, worse.state) == ("critical", "raised")
    sim.feed(sim.latency())
    assert brief(sim.wait(40)) == [("silence", "kalshi", "cleared")]


def test_a_histogram_told_again_is_no_tick() -> None:
    sim = Sim()
    first = sim.latency()
    sim.feed(first)
    for _ in range(10):
        sim.wait(30)
        sim.feed(replace(first, emit_ts=sim.now, version=sim.now))
    assert brief(sim.said) == [("silence", "kalshi", "raised")]


def test_a_worker_that_begins_does_not_take_its_own_absence_for_silence() -> None:
    sim = Sim()
    sim.feed(sim.latency())
    sim.now += 3600 * SECOND  # nobody was there
    sim.start()
    assert sim.wait(299) == []
    assert brief(sim.wait(1)) == [("silence", "kalshi", "raised")]


def test_silence_by_a_gap_over_the_whole_platform() -> None:
    sim = Sim(settings(alert_gap_seconds=10**6))
    gap = sim.gap(None, "disconnect", ago=10)
    sim.feed(sim.latency(), gap)
    for _ in range(12):  # ticks of another socket
        sim.wait(24)
        sim.feed(sim.latency(count=sim.now // SECOND))
    [raised] = sim.wait(10)
    assert brief([raised]) == [("silence", "kalshi", "raised")]
    assert raised.raised_ts == T0 + 290 * SECOND
    sim.feed(sim.latency(count=60), replace(gap, to_ts=sim.now))
    assert brief(sim.wait(40)) == [("silence", "kalshi", "cleared")]


def test_a_gap_that_stays_open() -> None:
    sim = Sim()
    gap = sim.gap("M", ago=5)
    sim.feed(gap)
    assert sim.wait(114) == []
    [raised] = sim.wait(10)
    assert brief([raised]) == [("gap", "kalshi:M", "raised")]
    assert raised.raised_ts == T0 + 115 * SECOND
    assert (raised.platform, raised.market_id, raised.severity) == ("kalshi", "M", "medium")
    assert sim.wait(1000, 10) == []
    sim.feed(replace(gap, to_ts=sim.now))
    assert brief(sim.wait(40)) == [("gap", "kalshi:M", "cleared")]
    assert sim.wait(1000, 10) == []


def test_many_gaps_in_ten_minutes() -> None:
    sim = Sim()
    for number in range(20):
        sim.feed(sim.gap("M", number=number, to=sim.now))
        sim.wait(5)
    assert sim.said == []
    again = sim.gap("M", number=99, to=sim.now)
    sim.feed(again, again)
    [raised] = sim.wait(1)
    assert (raised.value, raised.unit) == (Decimal(21), "gaps")
    assert raised.threshold == Decimal(20)
    # The first leave the ten minutes from the 500th second on; at 16 gaps it is over.
    assert sim.wait(490, 5) == []
    assert brief(sim.wait(100, 5)) == [("gap", "kalshi:M", "cleared")]


def test_too_many_markets_in_trouble_have_one_alert_in_common() -> None:
    sim = Sim(settings(alert_gap_markets=3))
    first = [sim.gap(f"A{number}", ago=130) for number in range(2)]
    sim.feed(*first)
    assert brief(sim.wait(1)) == [("gap", f"kalshi:A{number}", "raised") for number in range(2)]
    rest = [sim.gap(f"B{number:03}", ago=130) for number in range(100)]
    sim.feed(*rest)
    [common] = sim.wait(1)
    assert brief([common]) == [("gap", "kalshi", "raised")]
    assert (common.value, common.unit) == (Decimal(102), "markets")
    sim.feed(*[replace(gap, to_ts=sim.now) for gap in [*first, *rest]])
    assert sorted(brief(sim.wait(40))) == sorted(
        ("gap", subject, "cleared") for subject in ("kalshi", "kalshi:A0", "kalshi:A1")
    )


def test_a_crossed_book_is_told_even_if_it_is_over_at_once() -> None:
    sim = Sim()
    gap = sim.gap("M", "crossed_book")
    [raised] = sim.feed(gap)
    assert brief([raised]) == [("crossed_book", "kalshi:M", "raised")]
    assert raised.severity == "low"
    assert sim.feed(replace(gap, to_ts=sim.now + 5)) == []
    sim.wait(20)
    assert sim.feed(sim.gap("M", "crossed_book", to=sim.now)) == []  # the same alert still
    [cleared] = sim.wait(40)
    assert cleared.alert_id == raised.alert_id
    assert cleared.cleared_ts == T0 + 50 * SECOND
    other = sim.gap("N", "crossed_book", to=sim.now)
    assert brief(sim.feed(other)) == [("crossed_book", "kalshi:N", "raised")]


def test_crossed_books_of_a_whole_platform_are_one_alert() -> None:
    sim = Sim(settings(alert_gap_markets=2))
    gaps = [sim.gap(f"M{number}", "crossed_book") for number in range(50)]
    sim.feed(*gaps)
    assert brief(sim.said) == [
        ("crossed_book", "kalshi:M0", "raised"),
        ("crossed_book", "kalshi:M1", "raised"),
        *[("crossed_book", "kalshi", "raised")] * 5,  # at 3, and again each time it has doubled
    ]
    sim.feed(*[replace(gap, to_ts=sim.now) for gap in gaps])
    assert sorted(brief(sim.wait(31))) == sorted(
        ("crossed_book", subject, "cleared") for subject in ("kalshi", "kalshi:M0", "kalshi:M1")
    )


def test_lag_has_to_last() -> None:
    sim = Sim()
    sim.worker.measured({"echoarb-sink": 500_000, "echoarb-analytics": 5}, sim.now)
    sim.wait(30)
    sim.worker.measured({"echoarb-sink": 600_000}, sim.now)
    assert sim.wait(29) == []
    [raised] = sim.wait(1)
    assert brief([raised]) == [("lag", "echoarb-sink", "raised")]
    assert (raised.value, raised.severity, raised.unit) == (Decimal(600_000), "critical", "records")
    sim.worker.measured({"echoarb-sink": 10}, sim.now)
    assert brief(sim.wait(40)) == [("lag", "echoarb-sink", "cleared")]


def breaker(sim: Sim, **changes: object) -> Alert:
    found = sim.feed(sim.spread("0.9", pair="unrelated"))
    [template] = found or [sim.said[0]]
    made = replace(
        template,
        rule="breaker_open",
        subject="kalshi/markets",
        platform="kalshi",
        pair_id=None,
        raised_ts=sim.now,
        ts=sim.now,
        alert_id=event_id("breaker_open", "kalshi/markets", sim.now),
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def test_a_breaker_left_open_by_a_connector_that_ended_is_cleared_at_its_next_start() -> None:
    sim = Sim()
    raised = breaker(sim)
    assert sim.feed(raised) == []
    assert [alert for alert in sim.wait(3600, 10) if alert.rule == "breaker_open"] == []
    before = len(sim.said)
    sim.feed(replace(sim.gap(None, "startup"), platform="manifold", from_ts=None, to_ts=sim.now))
    sim.wait(2)
    assert len(sim.said) == before
    started = sim.now
    sim.feed(replace(sim.gap(None, "startup"), from_ts=None, to_ts=started))
    [cleared] = sim.wait(2)
    assert brief([cleared]) == [("breaker_open", "kalshi/markets", "cleared")]
    assert (cleared.alert_id, cleared.cleared_ts) == (raised.alert_id, started)


def test_a_second_alert_of_one_rule_and_subject_ends_the_first() -> None:
    sim = Sim()
    first = breaker(sim)
    sim.now += SECOND
    second = breaker(sim)
    assert sim.feed(first, second, first) == []
    [cleared] = sim.wait(2)
    assert (cleared.alert_id, cleared.state) == (first.alert_id, "cleared")
    assert {alert.alert_id for alert in sim.worker.open_alerts if alert.rule == "breaker_open"} == {
        second.alert_id
    }
    sim.feed(replace(second, state="cleared", cleared_ts=sim.now, ts=sim.now))
    assert sim.feed(first, second) == []  # late copies
    assert [alert.rule for alert in sim.worker.open_alerts] == ["spread"]


def test_an_acknowledgement_stays_until_the_alert_is_cleared() -> None:
    sim = Sim()
    [raised] = sim.feed(sim.spread("0.06"))
    sim.wait(5)
    sim.feed(
        replace(
            raised,
            state="acknowledged",
            ts=sim.now,
            acknowledged_by="ada",
            acknowledged_ts=sim.now,
            acknowledged_note="known",
        )
    )
    acknowledged = sim.now
    sim.wait(5)
    [worse] = sim.feed(sim.spread("0.3"))
    assert (worse.state, worse.severity) == ("raised", "critical")
    assert (worse.acknowledged_by, worse.acknowledged_ts) == ("ada", acknowledged)
    sim.feed(replace(worse, state="acknowledged", acknowledged_by="bob", ts=sim.now))
    sim.start()
    sim.feed(sim.spread("0.01"))
    [cleared] = sim.wait(40)
    assert cleared.state == "cleared"
    assert (cleared.acknowledged_by, cleared.acknowledged_note) == ("ada", "known")
    sim.wait(60)
    [again] = sim.feed(sim.spread("0.06"))
    assert again.alert_id != raised.alert_id
    assert again.acknowledged_by is None


def test_a_worker_that_starts_goes_on_with_what_is_open() -> None:
    sim = Sim()
    gap = sim.gap("M")
    sim.feed(sim.spread("0.06"), gap, sim.latency())
    sim.wait(400)
    open_before = sorted(brief(sim.worker.open_alerts))
    assert open_before == [
        ("gap", "kalshi:M", "raised"),
        ("silence", "kalshi", "raised"),
        ("spread", "rate", "raised"),
    ]
    sim.now += 7200 * SECOND
    sim.start()
    assert sorted(brief(sim.worker.open_alerts)) == open_before
    assert [brief([alert]) for alert in sim.wait(60) if alert.severity != "critical"] == []
    sim.feed(sim.spread("0.01"), replace(gap, to_ts=sim.now), sim.latency(count=99))
    assert sorted(brief(sim.wait(60))) == [
        (rule, subject, "cleared") for rule, subject, _ in open_before
    ]


def test_what_ended_while_nobody_was_there_is_cleared() -> None:
    sim = Sim()
    gap, crossed = sim.gap("M"), sim.gap("N", "crossed_book")
    sim.feed(gap, crossed, sim.latency(900))
    sim.wait(150)
    open_before = {alert.rule for alert in sim.worker.open_alerts}
    assert open_before == {"gap", "crossed_book", "latency"}
    sim.start(speaking=False)
    for record in (gap, crossed):
        assert sim.feed(replace(record, to_ts=sim.now)) == []
    sim.now += 600 * SECOND
    sim.feed(sim.latency(100))
    sim.start()
    assert {alert.rule for alert in sim.wait(60) if alert.state == "cleared"} == open_before


def test_one_that_does_not_speak_follows_and_can_take_over() -> None:
    sim = Sim()
    sim.feed(sim.spread("0.06", pair="a"))
    sim.start(speaking=False)
    assert sim.feed(sim.spread("0.06", pair="b")) == []
    begun = sim.now
    assert sim.wait(100) == []
    sim.worker.speak(sim.now)
    [raised] = sim.wait(1)
    assert (raised.subject, raised.raised_ts) == ("b", begun)
    sim.worker.be_silent()
    sim.feed(sim.spread("0.01", pair="a"))
    assert sim.wait(100) == []


def test_what_is_not_heard_of_any_more_is_over() -> None:
    sim = Sim()
    sim.feed(sim.spread("0.06"))
    sim.log[SPREADS.name].clear()  # kept no longer, and the pair is configured no more
    sim.now += 3600 * SECOND
    sim.start()
    assert sim.wait(890, 10) == []
    [cleared] = sim.wait(20, 10)
    assert "nothing was heard" in cleared.message


def test_gaps_that_a_connector_left_open_end_with_its_next_start() -> None:
    sim = Sim()
    sim.feed(sim.gap("M"), sim.gap("N", "crossed_book"), sim.gap(None, "disconnect"))
    sim.wait(400)
    assert sorted(brief(sim.worker.open_alerts)) == [
        ("crossed_book", "kalshi:N", "raised"),
        ("gap", "kalshi", "raised"),
        ("gap", "kalshi:M", "raised"),
        ("gap", "kalshi:N", "raised"),
        ("silence", "kalshi", "raised"),
    ]
    sim.feed(replace(sim.gap(None, "startup"), from_ts=None, to_ts=sim.now), sim.latency())
    assert {alert.state for alert in sim.wait(60)} == {"cleared"}
    assert sim.worker.open_alerts == []


def test_records_that_can_not_be_used_change_nothing() -> None:
    sim = Sim()
    for topic in (ALERTS.name, GAPS.name, SPREADS.name):
        for datum in (None, b"", b"\xff" * 40):
            sim.raw(topic, datum)
    assert sim.wait(5) == []
    assert brief(sim.feed(sim.spread("0.06"))) == [("spread", "rate", "raised")]


def test_a_minute_of_a_clock_far_ahead_pushes_nothing_out() -> None:
    sim = Sim(settings(alert_latency_seconds=0))
    ahead = replace(sim.latency(100, 10**6), slot_ts=T0 + 10**12)
    sim.feed(sim.latency(900), *[replace(ahead, slot_ts=T0 + n * 10**12) for n in range(1, 20)])
    assert brief(sim.wait(2)) == [("latency", "kalshi/ingest_emit", "raised")]


SIZES = st.sampled_from([None, "0.01", "0.045", "0.05", "0.06", "0.12", "0.3"])
MARKETS = st.sampled_from([None, "M", "N"])
STEPS = st.one_of(
    st.tuples(st.just("spread"), SIZES, st.sampled_from(["a", "b"])),
    st.tuples(st.just("open"), MARKETS, st.sampled_from(["crossed_book", "silence", "sequence"])),
    st.tuples(st.just("close"), MARKETS, st.just("")),
    st.tuples(st.just("ticks"), st.sampled_from([100, 700]), st.just("")),
    st.tuples(st.just("lag"), st.sampled_from([0, 90_000, 200_000]), st.just("")),
    st.tuples(st.just("wait"), st.sampled_from([1, 30, 130, 400]), st.just("")),
    st.tuples(st.just("acknowledge"), st.integers(0, 3), st.just("")),
    st.tuples(st.just("restart"), st.booleans(), st.just("")),
)


@given(st.lists(STEPS, max_size=40))
@hypothesis_settings(max_examples=150)
def test_never_two_open_alerts_and_nothing_ends_that_did_not_begin(
    steps: list[tuple[str, Any, str]],
) -> None:
    sim = Sim(settings(alert_gap_markets=1, alert_latency_seconds=0, alert_lag_seconds=10))
    gaps: list[Gap] = []
    for what, value, more in steps:
        if what == "spread":
            sim.feed(sim.spread(value, pair=more))
        elif what == "open":
            gaps.append(sim.gap(value, more))  # type: ignore[arg-type]
            sim.feed(gaps[-1])
        elif what == "close":
            for gap in [gap for gap in gaps if gap.market_id == value]:
                sim.feed(replace(gap, to_ts=sim.now))
                gaps.remove(gap)
        elif what == "ticks":
            sim.feed(sim.latency(value, 50 + len(sim.log["latency"])))
        elif what == "lag":
            sim.worker.measured({"sink": value}, sim.now)
        elif what == "wait":
            sim.wait(value, 10)
        elif what == "acknowledge":
            for alert in sim.worker.open_alerts[value : value + 1]:
                done = {"acknowledged_by": "x", "acknowledged_ts": sim.now, "ts": sim.now}
                sim.feed(replace(alert, state="acknowledged", **done))  # type: ignore[arg-type]
        else:
            sim.start(speaking=value)
            if not value:
                sim.wait(5)
                sim.worker.speak(sim.now)
    sim.wait(60)
    open_by_subject: dict[tuple[str, str], UUID] = {}
    ended: set[UUID] = set()
    for alert in sim.said:
        key = (alert.rule, alert.subject)
        assert alert.alert_id not in ended
        assert alert.raised_ts <= alert.ts
        if alert.state == "cleared":
            assert open_by_subject.pop(key) == alert.alert_id
            assert alert.cleared_ts is not None
            assert alert.cleared_ts >= alert.raised_ts
            ended.add(alert.alert_id)
        else:
            assert open_by_subject.setdefault(key, alert.alert_id) == alert.alert_id
    assert open_by_subject == {
        (alert.rule, alert.subject): alert.alert_id for alert in sim.worker.open_alerts
    }
