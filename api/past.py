"""What was before, for WebSocket clients: what was missed, how things stand, or a history; then on
to the live feed, without a hole and without a repeat. What can't be brought is told, as
``resume_gap``."""

from __future__ import annotations

from api import formats, quote_queries
from api.catch_up import CatchUp
from api.feed import Feed
from api.hub import Client
from api.messages import Subscribe
from api.position import Position
from api.quote_queries import OutcomeFilter
from api.replay import Replay
from api.settings import ApiSettings
from api.store import Store
from api.stored import Stored
from schemas.clock import parse_rfc3339


class Past:
    """Brings one client to the live feed."""

    def __init__(
        self,
        client: Client,
        number: int,
        wanted: Subscribe,
        feed: Feed,
        store: Store,
        settings: ApiSettings,
    ) -> None:
        """``number`` is that of the subscription ``wanted``, which this begins."""
        self._client = client
        self._wanted = wanted
        self._feed = feed
        self._settings = settings
        self._stored = Stored(store, feed.readers, settings.api_ws_stored_seconds)
        self._on = CatchUp(client, number, wanted, feed, self._stored, settings)
        self._replay = Replay(client, wanted, self._stored, self._on)

    async def resume(self, cursor: Position) -> None:
        """Bring all since the cursor. Raises Transient, TooExpensive, EchoArbError."""
        await self._feed.following.wait()
        if cursor.replay is not None:
            await self._replay.run(cursor.replay.ingest_us, cursor.replay, cursor)
            return
        await self._on.go_live(cursor)

    async def from_now(self, position: Position) -> None:
        """Bring all since a position of the feed."""
        await self._on.go_live(position)

    async def snapshot(self) -> None:
        """Bring the newest quote and trade of each outcome, then all since. Raises as resume."""
        await self._feed.following.wait()
        start = self._feed.position.copy()
        complete = await self._on.stored_end(start)
        wanted = self._wanted
        chosen = OutcomeFilter(
            platform=wanted.platform, outcome=wanted.outcome, markets=wanted.markets()
        )
        most = self._settings.api_ws_snapshot
        query = quote_queries.latest(chosen, None, most + 1)
        rows = await self._stored.page(query, formats.rows)
        for row in rows[:most]:
            await self._client.room()
            for kind in ("quote", "trade"):
                if row[f"{kind}_ts"] is not None:
                    key = (row["platform"], row["outcome_id"], kind)
                    self._on.known[key] = parse_rfc3339(row[f"{kind}_ts"])
            self._client.put("snapshot", {"data": row})
        end = {"outcomes": min(len(rows), most), "truncated": len(rows) > most}
        self._client.put("snapshot_end", {**end, "complete": complete})
        await self._on.go_live(start)

    async def history(self, since_us: int) -> None:
        """Bring all since an instant, by ingest time. Raises as resume."""
        await self._feed.following.wait()
        await self._replay.run(since_us, None, self._feed.position.copy())
