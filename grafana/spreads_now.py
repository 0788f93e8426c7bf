"""Panels of the Spreads board that say where the pairs stand now."""

# ruff: noqa: S608 - what is put together here are texts of this package only

from __future__ import annotations

from grafana_foundation_sdk.builders import stat, table

from grafana import board
from grafana.clickhouse import chosen, rows, series
from grafana.panels import (
    GREEN,
    GREY,
    ORANGE,
    RED,
    YELLOW,
    grid,
    levels,
    named,
    number,
    to_board,
    with_,
)
from schemas.topics import PLATFORMS

PAIRS = 200
BANDS = levels(GREY, (0.05, YELLOW), (0.10, ORANGE), (0.15, RED), (0.20, "dark-red"))
"""Severity of a difference: from 0.10 medium, 0.15 high, 0.20 critical."""
EDGE = levels(GREY, (0.000001, GREEN))
"""Below zero nothing is to be had."""
NEWEST = f"latest_spreads FINAL WHERE {chosen('pair_id', 'pair')}"


def numbers() -> list[stat.Panel]:
    """Return the numbers on top."""
    counted = series(f"""
        SELECT now() AS time, count() AS Pairs, countIf(best_edge > 0) AS "With an edge",
            countIf(max_spread > threshold) AS "Above their threshold"
        FROM {NEWEST}
    """)
    best = series(f"""
        SELECT now() AS time, max(best_edge) AS Value FROM {NEWEST}
    """)
    widest = series(f"""
        SELECT now() AS time, max(max_spread) AS Value FROM {NEWEST}
    """)
    complete = series(f"""
        SELECT now() AS time, avg(toFloat64(completeness)) AS Value FROM {NEWEST}
    """)
    return [
        number(
            "Pairs",
            "Pairs of this choice of which a spread was ever stored, those with an executable "
            "edge, and those whose difference is above their alert threshold.",
            [counted],
            unit="short",
            width=9,
            course=False,
        ),
        number(
            "Best executable edge",
            "Largest edge per contract, after fees, between venues that pay real money.",
            [best],
            unit="percentunit",
            width=5,
            no_data="No pair can be executed",
            course=False,
        )
        .decimals(2)
        .thresholds(EDGE),
        number(
            "Largest difference",
            "Largest distance of two venues' mids. No profit by itself: colours are the alert's.",
            [widest],
            unit="percentunit",
            width=5,
            no_data="No pair has two mids",
            course=False,
        )
        .decimals(2)
        .thresholds(BANDS),
        number(
            "Completeness",
            "Share of the pairs' legs that take part now; the others are closed, stale, untrusted "
            "or without a quote.",
            [complete],
            unit="percentunit",
            width=5,
            no_data="No spread was ever stored",
            course=False,
        )
        .decimals(0)
        .thresholds(levels(RED, (0.5, YELLOW), (0.9, GREEN))),
    ]


def pairs() -> table.Panel:
    """Return the pairs, the best edge first."""
    venues = ", ".join(
        f"arrayFirst(leg -> leg.platform = '{name}', legs).probability AS \"{name.capitalize()}\""
        for name in PLATFORMS
    )
    listed = rows(f"""
        SELECT if(description = '', pair_id, description) AS "Pair",
            best_edge AS "Edge", best_edge_pair AS "Buy-sell", executable.size AS "Size",
            toFloat64(best_edge) * toFloat64(executable.size) AS "Worth",
            executable.fee_buy + executable.fee_sell AS "Fees",
            max_spread AS "Difference", max_spread_pair AS "Between", threshold AS "Threshold",
            completeness AS "Complete", {venues},
            arrayStringConcat(arrayMap(leg -> concat(leg.platform, ': ', leg.unusable),
                arrayFilter(leg -> isNotNull(leg.unusable), legs)), ', ') AS "Left out",
            if(verified, 'yes', 'no') AS "Verified",
            dateDiff('millisecond', ts, now64(3)) / 1000 AS "Unchanged for", pair_id AS "Pair id"
        FROM
        (
            SELECT *, arrayFirst(
                edge -> upper(concat(edge.buy, '-', edge.sell)) = upper(best_edge_pair), edges)
                AS executable
            FROM {NEWEST}
        )
        ORDER BY best_edge DESC NULLS LAST, max_spread DESC NULLS LAST, pair_id
        LIMIT {PAIRS}
    """)
    panel = grid(
        "Pairs by executable edge",
        "Edge: bid where it is sold, less ask where it is bought, less both taker fees, per "
        "contract; null if a side or a fee isn't known. Size: contracts for which it holds; "
        "worth: edge times size. Left out: legs that take no part, and why. A click shows one "
        "pair's history.",
        [listed],
        unit="short",
        height=11,
        no_data="No spread was ever stored: are pairs configured (docs/spreads.md)?",
    )
    percent = {"unit": "percentunit", "decimals": 2}
    for name in ("Fees", "Threshold", *(name.capitalize() for name in PLATFORMS)):
        panel.override_by_name(name, with_(**percent))
    colored: dict[str, object] = {"custom__cellOptions": {"type": "color-text"}}
    edge = with_(**percent, **colored, thresholds=EDGE.build())
    panel.override_by_name("Edge", edge)
    panel.override_by_name("Difference", with_(**percent, **colored, thresholds=BANDS.build()))
    complete = levels(RED, (0.66, YELLOW), (1, GREEN)).build()
    panel.override_by_name(
        "Complete", with_(unit="percentunit", decimals=0, thresholds=complete, **colored)
    )
    stale = levels(GREEN, (300, YELLOW), (900, RED)).build()
    panel.override_by_name(
        "Unchanged for", with_(unit="s", decimals=0, thresholds=stale, **colored)
    )
    sure = named({"yes": ("yes", GREEN), "no": ("no", ORANGE)})
    panel.override_by_name("Verified", with_(mappings=[sure], **colored))
    history = to_board("History", board.SPREADS, pair='${__data.fields["Pair id"]:percentencode}')
    panel.override_by_name("Pair", with_(links=[history], custom__width=320))
    return panel.decimals(2)


def edges() -> table.Panel:
    """Return every pair of venues of the pairs, the best edge first."""
    found = rows(f"""
        SELECT if(description = '', pair_id, description) AS "Pair", way.buy AS "Buy on",
            way.sell AS "Sell on", way.edge AS "Edge", way.size AS "Size",
            way.fee_buy AS "Fee to buy", way.fee_sell AS "Fee to sell",
            way.difference AS "Difference", if(way.play_money, 'play', 'real') AS "Money",
            pair_id AS "Pair id"
        FROM {NEWEST.replace("WHERE", "ARRAY JOIN edges AS way WHERE")}
        ORDER BY "Edge" DESC NULLS LAST, "Difference" DESC NULLS LAST, pair_id, "Buy on", "Sell on"
        LIMIT {PAIRS}
    """)
    panel = grid(
        "Every pair of venues",
        "The better direction of each two venues, those of play money too, whose edge is no "
        "profit. Where the edge is empty, a side or a fee isn't known, and where the size is, the "
        "venue doesn't say.",
        [found],
        unit="short",
        height=9,
        no_data="No spread was ever stored",
    )
    for name in ("Fee to buy", "Fee to sell", "Difference"):
        panel.override_by_name(name, with_(unit="percentunit", decimals=2))
    colored: dict[str, object] = {"custom__cellOptions": {"type": "color-text"}}
    edge = with_(unit="percentunit", decimals=2, thresholds=EDGE.build(), **colored)
    panel.override_by_name("Edge", edge)
    money = named({"real": ("real", GREEN), "play": ("play", ORANGE)})
    panel.override_by_name("Money", with_(mappings=[money], **colored))
    return panel.override_by_name("Pair", with_(custom__width=320))
