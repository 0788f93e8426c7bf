"""GET /api/v1/stats/consumer, stream and cache, /ws/stats: how the pipeline itself does."""

from __future__ import annotations

from contextlib import suppress
from typing import Annotated

from litestar import get
from litestar.di import NamedDependency
from msgspec import Meta, Struct

from api import queries
from api.errors import answers
from api.feed import Feed
from api.formats import rows
from api.models import Instant
from api.settings import ApiSettings
from api.store import Store
from api.streams import Entry, Streams
from schemas.clock import isoformat
from schemas.errors import Transient
from schemas.topics import TICKS


class ConsumerStats(Struct):
    """The API's own reading of Kafka, and how far the sink is behind."""

    running: Annotated[bool, Meta(description="Whether the API's live feed follows every topic")]
    messages_processed: Annotated[int, Meta(description="Records the feed read since its start")]
    messages_failed: Annotated[int, Meta(description="Of those, wanted but unusable")]
    last_message_id: Annotated[
        str | None,
        Meta(description="topic/partition/offset read last", examples=["ticks.kalshi/3/1042"]),
    ]
    stream_name: Annotated[str, Meta(description="Topics with ticks, comma-separated")]
    consumer_group: Annotated[
        str, Meta(description="The group that stores ticks: the feed itself needs none")
    ]
    consumer_name: Annotated[
        str | None, Meta(description="Always null: Kafka's members come and go")
    ]
    pending_messages: Annotated[
        int | None,
        Meta(description="Records that group has not stored yet; null while Kafka can't be asked"),
    ]


class StreamEntry(Struct):
    """A record's place."""

    partition: int
    offset: int
    timestamp: Instant | None


class StreamGroup(Struct):
    """A consumer group and how many records it is behind, over all topics it reads."""

    name: str
    lag: int


class StreamTopic(Struct):
    """One topic as it is on the broker."""

    topic: str
    length: Annotated[int, Meta(description="Records on the broker")]
    first_entry: StreamEntry | None
    last_entry: StreamEntry | None


class StreamStats(Struct):
    """Length, ends and groups over all topics with ticks, then topic by topic."""

    length: Annotated[int, Meta(description="Ticks on the broker, all platforms")]
    first_entry: StreamEntry | None
    last_entry: StreamEntry | None
    groups: list[StreamGroup]
    topics: list[StreamTopic]


class LastUpdates(Struct):
    """When each platform's newest tick was received; null if none is stored."""

    kalshi: Instant | None
    polymarket: Instant | None
    manifold: Instant | None


class CacheStats(Struct):
    """Outcomes whose latest state is known: a contract is an outcome."""

    kalshi_contracts: int
    polymarket_contracts: int
    manifold_contracts: int
    total_contracts: int
    last_updates: LastUpdates


class SocketStats(Struct):
    """WebSocket clients of this process, of all routes."""

    active_connections: int
    total_connections: Annotated[int, Meta(description="Since its start")]


@get(
    "/api/v1/stats/consumer",
    summary="Reading of Kafka",
    description="The live feed of this process, and how far the sink is behind.",
    responses=answers(),
    tags=["stats"],
)
async def consumer_stats(
    feed: NamedDependency[Feed],
    streams: NamedDependency[Streams],
    settings: NamedDependency[ApiSettings],
) -> ConsumerStats:
    """Return how Kafka is read."""
    pending = None
    if feed.problem is None:  # otherwise it would be waited for in vain
        with suppress(Transient):
            pending = (await streams.look()).lags.get(settings.sink_group)
    return ConsumerStats(
        running=feed.problem is None,
        messages_processed=feed.records,
        messages_failed=feed.rejected,
        last_message_id=None if feed.last is None else "/".join(map(str, feed.last)),
        stream_name=",".join(topic.name for topic in TICKS),
        consumer_group=settings.sink_group,
        consumer_name=None,
        pending_messages=pending,
    )


@get(
    "/api/v1/stats/stream",
    summary="Topics",
    description="How long each topic is, its oldest and newest record by Kafka time, and how far "
    "consumer groups are behind. Asked of the broker at most every five seconds.",
    responses=answers(),
    tags=["stats"],
)
async def stream_stats(
    feed: NamedDependency[Feed], streams: NamedDependency[Streams]
) -> StreamStats:
    """Return how the topics stand."""
    if feed.problem is not None:
        raise Transient(f"the topics can't be looked at: {feed.problem}")
    broker = await streams.look()
    ticks = {topic.name for topic in TICKS}
    of_ticks = [stream for stream in broker.streams if stream.topic in ticks]
    firsts = [stream.first for stream in of_ticks if stream.first is not None]
    lasts = [stream.last for stream in of_ticks if stream.last is not None]
    return StreamStats(
        length=sum(stream.length for stream in of_ticks),
        first_entry=_entry(min(firsts, key=lambda each: each.append_us or 0, default=None)),
        last_entry=_entry(max(lasts, key=lambda each: each.append_us or 0, default=None)),
        groups=[StreamGroup(name, lag) for name, lag in sorted(broker.lags.items())],
        topics=[
            StreamTopic(each.topic, each.length, _entry(each.first), _entry(each.last))
            for each in broker.streams
        ],
    )


@get(
    "/api/v1/stats/cache",
    summary="Latest states",
    description="How many outcomes each platform's latest state is known of, and since when.",
    responses=answers(),
    tags=["stats"],
)
async def cache_stats(store: NamedDependency[Store]) -> CacheStats:
    """Return how many outcomes are known."""
    found = {
        row["platform"]: row for row in rows(await store.table(queries.recorded_platforms(None)))
    }

    def outcomes(platform: str) -> int:
        return int(found[platform]["outcomes"]) if platform in found else 0

    def last(platform: str) -> str | None:
        return found[platform]["last_tick_ts"] if platform in found else None

    return CacheStats(
        kalshi_contracts=outcomes("kalshi"),
        polymarket_contracts=outcomes("polymarket"),
        manifold_contracts=outcomes("manifold"),
        total_contracts=sum(int(row["outcomes"]) for row in found.values()),
        last_updates=LastUpdates(last("kalshi"), last("polymarket"), last("manifold")),
    )


@get(
    "/ws/stats",
    summary="WebSocket clients",
    description="Clients of /ws/ticks and /ws/spreads at this process.",
    tags=["stats"],
)
async def socket_stats(feed: NamedDependency[Feed]) -> SocketStats:
    """Return how many clients there are and were."""
    return SocketStats(
        active_connections=feed.clients(),
        total_connections=feed.hub.joined + feed.spreads.joined,
    )


def _entry(entry: Entry | None) -> StreamEntry | None:
    if entry is None:
        return None
    at = None if entry.append_us is None else isoformat(entry.append_us)
    return StreamEntry(entry.partition, entry.offset, at)
