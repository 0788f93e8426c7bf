"""Coverage: its arithmetic against counting moment by moment, and the route on the real engine."""

from __future__ import annotations

import dataclasses
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.coverage import HOUR_US, GapTimes, begin_of, hours, measure, outages, union
from api.settings import ApiSettings
from schemas.clock import isoformat, now_us
from tests.api.support import TOPIC, Api, Tables, make_gap, make_tick, running

PATH = "/api/v1/coverage"
SMALL = st.integers(0, 60)
STRETCHES = st.lists(st.tuples(SMALL, SMALL), max_size=8)


def moments(stretches: Any) -> set[int]:
    return {at for begin, end in stretches for at in range(begin, end)}


@given(STRETCHES)
def test_a_union_has_the_same_moments_and_nothing_touches(stretches: list[tuple[int, int]]) -> None:
    found = union(stretches)
    assert moments(found) == moments(stretches)
    assert all(begin < end for begin, end in found)
    assert all(one[1] < other[0] for one, other in pairwise(found))
    assert union(found) == found
    assert union(reversed(stretches)) == found


@given(STRETCHES, SMALL, SMALL)
def test_a_measure_counts_moments(stretches: list[tuple[int, int]], begin: int, end: int) -> None:
    counted = len([at for at in moments(stretches) if begin <= at < end])
    assert measure(union(stretches), begin, end) == counted


@given(st.lists(SMALL, max_size=5), st.sets(SMALL, max_size=20))
def test_an_outage_reaches_back_to_the_last_minute_that_was_over(
    starts: list[int], ticks: set[int]
) -> None:
    minute = 5
    alive = sorted({at // minute * minute for at in ticks})
    for (since, end), start in zip(outages(starts, alive, minute), starts, strict=True):
        assert end == start
        surely_before = {at for at in ticks if at < start // minute * minute}
        # Never later than the last tick before: nothing is believed that wasn't recorded.
        assert (since is None) == (not surely_before)
        if since is not None:
            assert since <= max(surely_before) < since + minute


@given(
    st.dictionaries(st.sampled_from(["silence", "sequence", "startup"]), STRETCHES, max_size=3),
    *[st.integers(0, 60)] * 3,
)
def test_hours_are_what_counting_gives(
    untrusted: dict[str, list[tuple[int, int]]], first: int, last: int, now: int
) -> None:
    width = 10
    scaled = {
        reason: [(begin * HOUR_US // width, end * HOUR_US // width) for begin, end in stretches]
        for reason, stretches in untrusted.items()
    }
    unit = HOUR_US // width
    found = hours(0, 6 * HOUR_US, now * unit, (first * unit, last * unit), scaled)
    assert len(found) == -(-now // width)
    for number, hour in enumerate(found):
        whole = {at for at in range(number * width, (number + 1) * width) if at < now}
        lost = {reason: moments(stretches) & whole for reason, stretches in untrusted.items()}
        lost["not_recorded"] = {at for at in whole if at < first or at >= last}
        assert hour.begin == number * HOUR_US
        assert hour.over == len(whole) * unit
        assert hour.trusted == len(whole - set().union(*lost.values())) * unit
        assert set(hour.reasons) == {reason for reason, at in lost.items() if at}


def test_a_gap_of_unknown_beginning_reaches_back_to_its_connectors_start() -> None:
    starts = [10, 20, 30]
    for first, expected in ((9, None), (10, 10), (29, 20), (99, 30)):
        assert begin_of(GapTimes("sequence", None, None, first), starts) == expected
    assert begin_of(GapTimes("sequence", 12, None, 99), starts) == 12


SECOND, MINUTE = 1_000_000, 60_000_000
HOUR = HOUR_US


async def hours_of(api: Api, **params: Any) -> list[dict[str, Any]]:
    found = (await api.get(PATH, **{"market": "KXA-26", **params}))["data"]
    assert [row["hour"] for row in found] == sorted((row["hour"] for row in found), reverse=True)
    return list(reversed(found))


@pytest.fixture
def base() -> int:
    """A full hour, ten hours ago."""
    return now_us() // HOUR * HOUR - 10 * HOUR


def ticks_every_minute(base: int, begin: int, end: int) -> list[Any]:
    """Ticks of another market of the platform, in the middle of each minute."""
    return [
        dataclasses.replace(make_tick(), ingest_ts=base + at + 30 * SECOND, market_id="KXB-26")
        for at in range(begin, end, MINUTE)
    ]


async def test_gaps_of_market_and_platform_are_taken_off_once(
    api: Api, tables: Tables, base: int
) -> None:
    first = dataclasses.replace(make_tick(), ingest_ts=base + 5 * SECOND)
    tables.insert("ticks", [first, *ticks_every_minute(base, 0, 4 * HOUR)], TOPIC)

    def gap(begin: int, end: int | None, **more: Any) -> Any:
        to = None if end is None else base + end
        return dataclasses.replace(make_gap(begin, **more), from_ts=base + begin, to_ts=to)

    tables.insert(
        "gaps",
        [
            gap(10 * MINUTE, 16 * MINUTE),
            gap(13 * MINUTE, 19 * MINUTE, market_id=None, reason="silence"),  # overlaps
            gap(55 * MINUTE, 65 * MINUTE, reason="sequence"),  # over the hour
            gap(100 * MINUTE, 110 * MINUTE, market_id="KXB-26"),  # another market's
            gap(100 * MINUTE, 110 * MINUTE, platform="manifold", market_id=None),
            gap(150 * MINUTE, None, reason="crossed_book"),  # still open
        ],
        TOPIC,
    )
    span = {"since": isoformat(base + 1), "until": isoformat(base + 3 * HOUR)}
    found = await hours_of(api, **span)
    assert [(row["hour"], row["seconds"], row["trusted_seconds"]) for row in found] == [
        # Its first minute isn't counted: it is not known when in it the recording began.
        (isoformat(base), 3600, 3600 - 60 - 9 * 60 - 5 * 60),
        (isoformat(base + HOUR), 3600, 3600 - 5 * 60),
        (isoformat(base + 2 * HOUR), 3600, 1800),
    ]
    assert [row["percent"] for row in found] == [75.0, 91.667, 50.0]
    assert [row["reasons"] for row in found] == [
        ["disconnect", "not_recorded", "sequence", "silence"], ["sequence"], ["crossed_book"]
    ]  # fmt: skip
    assert found[0]["platform"] == "kalshi"
    assert found[0]["market_id"] == "KXA-26"


async def test_a_killed_connector_covers_nothing_until_it_is_back(
    api: Api, tables: Tables, base: int
) -> None:
    """It left no gap behind, but its next start says that before it nothing is known."""
    first = dataclasses.replace(make_tick(), ingest_ts=base - HOUR)
    alive = ticks_every_minute(base, 0, 20 * MINUTE) + ticks_every_minute(
        base, 30 * MINUTE, 2 * HOUR
    )
    tables.insert("ticks", [first, *alive], TOPIC)
    start = dataclasses.replace(
        make_gap(0, market_id=None, reason="startup"), from_ts=None, to_ts=base + 30 * MINUTE + 7
    )
    tables.insert("gaps", [start], TOPIC)
    [hour] = await hours_of(api, since=isoformat(base), until=isoformat(base + 1))
    # Killed within its last minute, 19: that minute is not believed either.
    assert hour["trusted_seconds"] == pytest.approx(3600 - 11 * 60, abs=0.001)
    assert hour["reasons"] == ["startup"]
    # An hour before it: the platform was alive after it, so the start says nothing of it.
    [before] = await hours_of(api, since=isoformat(base - 1), until=isoformat(base))
    assert (before["trusted_seconds"], before["reasons"]) == (3540, ["not_recorded"])


async def test_what_ended_without_a_word_is_not_counted_on(
    settings: ApiSettings, tables: Tables, base: int
) -> None:
    last = base + 90 * MINUTE
    ticks = [dataclasses.replace(make_tick(), ingest_ts=at) for at in (base - HOUR, last)]
    tables.insert("ticks", ticks, TOPIC)
    span = {"since": isoformat(base), "until": isoformat(base + 11 * HOUR)}
    async with running(settings) as api:
        found = await hours_of(api, **span)
        assert len(found) == 11
        assert [row["percent"] for row in found[:4]] == [100, 50, 0, 0]
        assert found[2]["reasons"] == ["not_recorded"]
        assert found[-1]["seconds"] <= 3600
    patient = settings.model_copy(update={"api_silence_seconds": 12 * 3600})
    async with running(patient) as api:
        assert [row["percent"] for row in await hours_of(api, **span)] == [100] * 11


async def test_hours_by_default_and_at_most(api: Api, tables: Tables) -> None:
    assert await hours_of(api) == []  # never recorded
    tables.insert("ticks", [dataclasses.replace(make_tick(), ingest_ts=now_us())], TOPIC)
    found = await hours_of(api)
    assert len(found) == 24
    assert all(row["percent"] == 0 for row in found[:-2])
    assert all("not_recorded" in row["reasons"] for row in found)
    assert await hours_of(api, platform="manifold") == []
    long = {"since": "2026-01-01T00:00:00Z", "until": "2026-02-01T00:00:01Z"}
    problem = await api.problem(400, PATH, market="KXA-26", **long)
    assert problem["errors"][0]["parameter"] == "since"
    assert (await api.problem(400, PATH))["errors"][0]["parameter"] == "market"
    empty = {"since": "2026-02-01T00:00:00Z", "until": "2026-01-01T00:00:00Z"}
    assert await hours_of(api, **empty) == []


async def test_too_many_gaps_are_refused(
    api: Api, tables: Tables, base: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.trust.MOST_GAPS", 2)
    tables.insert("ticks", [dataclasses.replace(make_tick(), ingest_ts=base)], TOPIC)
    gaps = [dataclasses.replace(make_gap(at), from_ts=base, to_ts=base + 9) for at in range(3)]
    tables.insert("gaps", gaps, TOPIC)
    problem = await api.problem(422, PATH, market="KXA-26")
    assert "narrow" in problem["detail"]
