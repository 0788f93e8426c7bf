"""Panels of the Spreads board over time: several pairs, and one with each venue's lines."""

# ruff: noqa: S608 - what is put together here are texts of this package only

from __future__ import annotations

from grafana_foundation_sdk.builders import statetimeline, timeseries
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models.dashboard import Panel

from grafana.clickhouse import Sql, chosen, series
from grafana.panels import (
    BLUE,
    GREEN,
    GREY,
    LABEL,
    ORANGE,
    RED,
    YELLOW,
    drawn,
    levels,
    named,
    states,
    steps,
    with_,
)
from grafana.sql import LINES

IN_TIME = f"$__timeFilter(ts) AND {chosen('pair_id', 'pair')}"
BEST = f"""
    SELECT pair_id FROM latest_spreads FINAL
    WHERE {chosen("pair_id", "pair")}
    ORDER BY best_edge DESC NULLS LAST, max_spread DESC NULLS LAST, pair_id
"""
"""The chosen pairs in the order of the list."""
ONE = f"$__timeFilter(ts) AND pair_id IN ({BEST} LIMIT 1)"
UNUSABLE = {
    "in use": ("in use", GREEN),
    "one_sided": ("one side missing", YELLOW),
    "no_quote": ("no quote", GREY),
    "stale": ("stale", ORANGE),
    "untrusted": ("untrusted", RED),
    "out_of_range": ("no probability", "purple"),
    "closed": ("closed", BLUE),
}
"""Why a leg takes no part: schemas/spread.avsc."""


def several() -> list[Builder[Panel]]:
    """Return the panels of several pairs."""
    edges = steps(
        "Executable edge",
        f"Best edge per contract after fees, the last of each interval, of the {LINES} pairs that "
        "are first in the list. Above the line at zero something could be had.",
        [_last("toFloat64(last.1)")],
        unit="percentunit",
        no_data="No pair of this choice could be executed in this time",
    )
    edges.thresholds(levels(RED, (0, GREEN))).thresholds_style(drawn())
    differences = steps(
        "Largest difference",
        "Largest distance of two venues' mids, the last of each interval. Lines: from 0.10 an "
        "alert is medium, from 0.15 high, from 0.20 critical; each pair has a threshold of its "
        "own.",
        [_last("toFloat64(last.2)")],
        unit="percentunit",
    )
    bands = levels(GREEN, (0.10, YELLOW), (0.15, ORANGE), (0.20, RED))
    differences.thresholds(bands).thresholds_style(drawn()).min(0)
    complete = steps(
        "Completeness",
        "Share of a pair's legs that take part.",
        [_last("toFloat64(last.3)")],
        unit="percentunit",
        width=24,
        height=6,
    )
    panels = [edges, differences, complete.min(0).max(1)]
    return [panel.display_name(LABEL).decimals(2) for panel in panels]


def _last(value: str) -> Sql:
    return series(f"""
        SELECT time, if(known = '', pair_id, known) AS series, {value} AS Value
        FROM
        (
            SELECT $__timeInterval(ts) AS time, pair_id, any(description) AS known,
                argMax(tuple(best_edge, max_spread, completeness), tuple(ts, kafka_offset)) AS last
            FROM spreads
            WHERE {IN_TIME} AND pair_id IN ({BEST} LIMIT {LINES})
            GROUP BY time, pair_id
        )
        ORDER BY time, series
    """)


def one() -> list[Builder[Panel]]:
    """Return the panels of one pair."""
    return [_probabilities(), _edge(), _books(), _legs()]


def _of_legs(columns: str) -> Sql:
    """Return a query for columns of each leg, as it stood at the end of each interval."""
    return series(f"""
        SELECT time, leg.platform AS series, {columns}
        FROM
        (
            SELECT $__timeInterval(ts) AS time, argMax(legs, tuple(ts, kafka_offset)) AS last
            FROM spreads
            WHERE {ONE}
            GROUP BY time
        )
        ARRAY JOIN last AS leg
        ORDER BY time, series
    """)


def _probabilities() -> timeseries.Panel:
    difference = series(
        f"""
        SELECT $__timeInterval(ts) AS time,
            toFloat64(argMax(tuple(max_spread), tuple(ts, kafka_offset)).1) AS "largest difference"
        FROM spreads
        WHERE {ONE}
        GROUP BY time
        ORDER BY time
        """,
        "B",
    )
    panel = steps(
        "What each venue says",
        "The pair's probability by venue, after the legs' transforms, and the largest difference "
        "(dashed). A venue without a line takes no part then: the states below say why.",
        [_of_legs("toFloat64(leg.probability) AS probability"), difference],
        unit="percentunit",
        height=10,
    )
    panel.override_by_name(
        "largest difference",
        with_(
            custom__lineStyle={"fill": "dash", "dash": [8, 6]},
            color={"mode": "fixed", "fixedColor": ORANGE},
        ),
    )
    panel.override_by_regexp("/^probability/", with_(displayName=LABEL))
    return panel.span_nulls(False).decimals(1).min(0).max(1)


def _edge() -> timeseries.Panel:
    found = series(f"""
        SELECT time, toFloat64(best.1) AS edge, toFloat64(best.2) AS size
        FROM
        (
            SELECT $__timeInterval(ts) AS time,
                argMax(tuple(best_edge, arrayFirst(one -> upper(concat(one.buy, '-', one.sell))
                    = upper(best_edge_pair), edges).size), tuple(ts, kafka_offset)) AS best
            FROM spreads
            WHERE {ONE}
            GROUP BY time
        )
        ORDER BY time
    """)
    panel = steps(
        "What could be had",
        "Best edge per contract after fees, and the contracts for which it holds (bars, right). "
        "Below zero nothing is to be had.",
        [found],
        unit="percentunit",
        height=10,
        no_data="This pair could not be executed in this time",
    )
    bars = with_(
        unit="short",
        custom__drawStyle="bars",
        custom__axisPlacement="right",
        custom__fillOpacity=30,
        custom__lineWidth=0,
    )
    panel.override_by_name("size", bars)
    panel.thresholds(levels(RED, (0, GREEN))).thresholds_style(drawn())
    return panel.span_nulls(False).decimals(2)


def _books() -> timeseries.Panel:
    panel = steps(
        "Bid and ask by venue",
        "What selling the pair's YES brings and what buying it costs on each venue, before fees. "
        "Where one venue's bid lies above another's ask, the venues disagree by more than a mid.",
        [_of_legs("toFloat64(leg.bid) AS bid, toFloat64(leg.ask) AS ask")],
        unit="percentunit",
        height=10,
    )
    panel.display_name("${__field.labels.series} ${__field.name}")
    return panel.span_nulls(False).decimals(1)


def _legs() -> statetimeline.Panel:
    known = ", ".join(f"'{reason}'" for reason in UNUSABLE)
    panel = states(
        "Which legs take part",
        "Each venue's leg: in use, or why it takes no part.",
        [_of_legs(f"toUInt8(indexOf([{known}], ifNull(leg.unusable, 'in use'))) AS Value")],
        unit="string",
        width=12,
    )
    # Numbers, since the plugin takes texts for labels; 0 is a reason that isn't known here.
    shown = {str(at): state for at, state in enumerate(UNUSABLE.values(), 1)}
    panel.mappings([named({"0": ("another reason", RED), **shown})])
    return panel.display_name(LABEL)
