"""A market's history with its gaps: cells for a notebook, or a script.

    make up                                        (in another terminal)
    python examples/market_history.py              the market with the newest trade
    python examples/market_history.py MARKET_ID --url http://127.0.0.1:8000 --out history.png

Needs matplotlib. Drawn are the band between best bid and best ask, the trades, and, shaded,
the stretches in which the feed could not be trusted: what is seen there may have been another way.
"""

# %%
from __future__ import annotations

import argparse
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("agg")
from matplotlib import dates, pyplot

from echoarb.client import Client, Gap, Tick

MOST_TICKS = 20_000


# %% What is asked


def newest_market(api: Client) -> str:
    """Return the id of the market that was traded last."""
    traded = [row for row in api.latest(most=2000) if row.trade_ts is not None]
    if not traded:
        raise SystemExit("no trade is stored yet: is the recorder running?")
    return max(traded, key=lambda row: row.trade_ts or datetime.min.replace(tzinfo=UTC)).market_id


def history(api: Client, market: str) -> tuple[list[Tick], list[Gap]]:
    """Return a market's newest ticks, the oldest first, and the gaps that concern it since then."""
    ticks = api.ticks(market=market, most=MOST_TICKS).to_list()[::-1]
    if not ticks:
        raise SystemExit(f"nothing is stored of market {market!r}")
    first = ticks[0]
    gaps = [
        gap
        for gap in api.gaps(platform=first.platform, since=first.ingest_ts)
        if gap.market_id in (None, market)
    ]
    return ticks, gaps


# %% What is drawn


def number(value: Decimal | None) -> float:
    """Return a price to draw; a missing one leaves a hole."""
    return float("nan") if value is None else float(value)


def stretches(
    gaps: Iterable[Gap], begin: datetime, end: datetime
) -> list[tuple[datetime, datetime, str]]:
    """Return what of the gaps lies within the drawing. Open ends are those of the drawing."""
    found = []
    for gap in gaps:
        start, stop = max(gap.from_ts or begin, begin), min(gap.to_ts or end, end)
        if start <= stop:
            found.append((start, stop, gap.reason))
    return found


def draw(title: str, ticks: list[Tick], gaps: list[Gap]) -> Any:
    """Return a figure with a panel for each outcome."""
    outcomes = sorted({tick.outcome_id for tick in ticks})
    begin, end = ticks[0].ingest_ts, ticks[-1].ingest_ts
    shaded = stretches(gaps, begin, end)
    figure, panels = pyplot.subplots(
        len(outcomes), figsize=(11, 2.6 * len(outcomes) + 1), sharex=True, squeeze=False
    )
    for outcome, panel in zip(outcomes, panels[:, 0], strict=True):
        own = [tick for tick in ticks if tick.outcome_id == outcome]
        quotes = [tick for tick in own if tick.kind == "quote"]
        trades = [tick for tick in own if tick.kind == "trade"]
        times = [tick.ingest_ts for tick in quotes]
        bids, asks = ([number(getattr(t, side)) for t in quotes] for side in ("bid", "ask"))
        panel.fill_between(times, bids, asks, step="post", alpha=0.35, label="bid to ask")
        panel.plot(
            [tick.ingest_ts for tick in trades],
            [number(tick.price) for tick in trades],
            ".",
            markersize=4,
            color="black",
            label="trades",
        )
        for at, (start, stop, _) in enumerate(shaded):
            least = max(stop, start + (end - begin) / 400)  # a short one has to be seen, too
            label = "not to be trusted" if at == 0 else None
            panel.axvspan(start, least, color="tab:red", alpha=0.3, label=label)
        panel.set_ylabel(own[0].outcome or outcome[:12])
        panel.set_ylim(-0.02, 1.02)
        panel.grid(alpha=0.3)
    panels[0, 0].legend(loc="upper left", fontsize="small")
    panels[-1, 0].xaxis.set_major_formatter(dates.DateFormatter("%H:%M:%S", tz=UTC))
    span = timedelta(seconds=round((end - begin).total_seconds()))
    figure.suptitle(f"{title}: {len(ticks)} ticks in {span}, {len(shaded)} gaps (UTC)")
    figure.tight_layout()
    return figure


# %% All of it


def main() -> None:
    """Draw a market into a file."""
    parser = argparse.ArgumentParser(description="Draw a market's history with its gaps.")
    parser.add_argument("market", nargs="?", help="market id; without it, the one traded last")
    parser.add_argument("--url", default="http://127.0.0.1:8000", help="the API")
    parser.add_argument("--out", type=Path, default=Path("history.png"), help="file to write")
    chosen = parser.parse_args()
    with Client(chosen.url) as api:
        market = chosen.market or newest_market(api)
        ticks, gaps = history(api, market)
        known = api.markets(market=market, most=1).to_list()
    figure = draw(known[0].title if known else market, ticks, gaps)
    figure.savefig(chosen.out, dpi=110)
    shaded = len(stretches(gaps, ticks[0].ingest_ts, ticks[-1].ingest_ts))
    print(f"{chosen.out}: {len(ticks)} ticks, {shaded} gaps")


# %%
if __name__ == "__main__":
    main()
