"""Whether a quote may be believed, from the gaps of its market and platform. Pure.

A gap that is over vouches for the book at its end, but the quote that the end brought comes on
another topic and may still be under way: a quote from before the end counts again only after
SETTLE_US.

A connector's startup gap ends what the connector before it left open, and vouches for nothing: what
was quoted before it has to be quoted anew (connectors publish each book's first top).
"""

from __future__ import annotations

from collections.abc import Iterable

from schemas.legupdate import LegUpdate

SETTLE_US = 2_000_000
"""How long a quote may be under way behind the end of its gap."""


def trusted_from(gaps: Iterable[LegUpdate], quote_ts: int) -> int | None:
    """Return the moment from which a quote received at ``quote_ts`` may be believed; None if not
    before there is another gap record or quote.

    ``gaps`` are the newest of each reason, of the quote's market and of its platform as a whole.
    Times are UTC microseconds; a moment in the past, such as 0, means that it may be now.
    """
    found = list(gaps)
    started = max((gap.to_ts or 0 for gap in found if gap.reason == "startup"), default=0)
    if quote_ts < started:
        return None
    moment = 0
    for gap in found:
        end = gap.to_ts
        if end is None:
            began = gap.ts if gap.from_ts is None else gap.from_ts
            if began >= started:
                return None
            end = started  # of a connector that is no more
        if quote_ts < end:
            moment = max(moment, end + SETTLE_US)
    return moment
