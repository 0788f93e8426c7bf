"""GET /, /health and /ready: what this is, whether it lives, whether it can answer."""

from __future__ import annotations

from litestar import get
from litestar.di import NamedDependency

from api.errors import NotReady, answers
from api.feed import Feed
from api.keys import Keyring
from api.models import Health, Ready, Service
from api.pairs import Pairs
from api.settings import ApiSettings
from api.store import Store
from schemas.errors import Transient
from schemas.process import package_version

_REFUSED = {status: answers()[status] for status in (400, 401, 403, 429, 504)}


@get(
    "/",
    summary="Service",
    description="What this is and where to read on.",
    responses=_REFUSED,
    tags=["status"],
)
async def service(settings: NamedDependency[ApiSettings]) -> Service:
    """Return what this is."""
    return Service(
        service="EchoArb API",
        version=package_version(),
        environment=settings.environment,
        docs="/docs",
        openapi="/schema/openapi.json",
        health="/health",
        ready="/ready",
        websocket="/ws/ticks",
    )


@get(
    "/health",
    summary="Liveness",
    description="Alive: always 200, and touches no dependency. /ready asks them.",
    responses=_REFUSED,
    tags=["status"],
)
async def health(
    feed: NamedDependency[Feed],
    pairs: NamedDependency[Pairs],
    settings: NamedDependency[ApiSettings],
) -> Health:
    """Return that the process is alive, and whether its live feed is."""
    connected = feed.problem is None
    return Health(
        status="healthy" if connected else "degraded",
        environment=settings.environment,
        kafka_connected=connected,
        market_pairs=len(pairs.by_id),
    )


@get(
    "/ready",
    summary="Readiness",
    description="200 if ClickHouse and Kafka are there, 503 naming which is away.",
    responses={**_REFUSED, 503: answers()[503]},
    tags=["status"],
)
async def ready(
    store: NamedDependency[Store],
    feed: NamedDependency[Feed],
    keyring: NamedDependency[Keyring | None],
) -> Ready:
    """Return that every dependency is there. Raises NotReady.

    A broken key file is told of, but the API stays ready: the last good keys hold.
    """
    dependencies = {"clickhouse": "ok", "kafka": feed.problem or "ok"}
    try:
        await store.check()
    except Transient as error:
        dependencies["clickhouse"] = str(error)
    away = set(dependencies.values()) != {"ok"}
    if keyring is not None:
        keyring.look()
        dependencies["keys"] = keyring.problem or "ok"
    if away:
        raise NotReady(dependencies)
    return Ready("ready", dependencies)
