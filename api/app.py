"""The application: routes, errors, documents and what is shared by them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from litestar import Litestar, MediaType, Request, Response, Router, get
from litestar.config.cors import CORSConfig
from litestar.di import Provide
from litestar.exceptions import NotFoundException
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme

from api import docs, messages
from api.edge import Edge
from api.errors import HANDLERS
from api.feed import Feed
from api.gate import Gate, keyring_of
from api.pairs import Pairs
from api.parameters import refuse_unknown
from api.publish import Publisher
from api.routes.alerts import acknowledge, alert, alerts
from api.routes.book import book
from api.routes.candles import candles
from api.routes.coverage import coverage
from api.routes.debug import debug_tick
from api.routes.gaps import gaps
from api.routes.health import health, ready, service
from api.routes.latency import latency, latency_stats
from api.routes.latest import latest
from api.routes.live import live_ticks
from api.routes.live_spreads import live_spreads
from api.routes.markets import markets
from api.routes.pairs import pairs
from api.routes.spreads import spread, spread_history, spreads
from api.routes.stats import cache_stats, consumer_stats, socket_stats, stream_stats
from api.routes.subscriptions import subscriptions
from api.routes.ticks import ticks
from api.routes.trades import trades
from api.settings import ApiSettings
from api.store import Store
from api.streams import Streams
from schemas.process import package_version

DESCRIPTION = (
    "Ticks of Kalshi, Polymarket and Manifold, with the gaps during which they could not be "
    "trusted. Decimals are strings, times RFC 3339 in UTC with microseconds, missing is null. "
    "Errors are application/problem+json. Pages continue with next_cursor."
)


def create_app(settings: ApiSettings, store: Store, feed: Feed) -> Litestar:
    """Return the application. It starts the feed, and closes feed and store when it ends.

    Raises ConfigurationError if the pair file or the key file is wrong, or if an API without keys
    would listen beyond this machine.
    """

    @asynccontextmanager
    async def running(_: Litestar) -> AsyncIterator[None]:
        feed.start()
        try:
            yield
        finally:
            await feed.stop()
            await publisher.close()
            await store.close()

    configured = Pairs.of(settings.pairs())
    publisher = Publisher(settings)
    streams = Streams(settings)
    keyring = keyring_of(settings)
    origins = settings.cors_origins()
    app = Litestar(
        [
            *[service, health, ready, ticks, markets, gaps, subscriptions, documentation],
            *[live_ticks, live_spreads, spreads, spread, spread_history, pairs],
            *[alerts, alert, acknowledge],
            *[latest, trades, candles, book, coverage],
            *[latency, latency_stats, consumer_stats, stream_stats, cache_stats, socket_stats],
            *([debug_tick] if settings.environment == "development" else []),
        ],
        guards=[refuse_unknown],
        dependencies={
            "store": Provide(lambda: store, sync_to_thread=False),
            "feed": Provide(lambda: feed, sync_to_thread=False),
            "publisher": Provide(lambda: publisher, sync_to_thread=False),
            "keyring": Provide(lambda: keyring, sync_to_thread=False),
            "streams": Provide(lambda: streams, sync_to_thread=False),
            "settings": Provide(lambda: settings, sync_to_thread=False),
            "pairs": Provide(lambda: configured, sync_to_thread=False),
        },
        exception_handlers=HANDLERS,
        lifespan=[running],
        cors_config=CORSConfig(
            allow_origins=origins,
            allow_methods=["GET", "POST"],
            allow_headers=["accept", "authorization", "content-type", "x-api-key", "x-request-id"],
            expose_headers=["link", "x-next-cursor", "x-request-id"],
        )
        if origins
        else None,
        openapi_config=OpenAPIConfig(
            title="EchoArb API",
            version=package_version(),
            description=DESCRIPTION,
            openapi_router=Router(
                "/schema",
                route_handlers=[],
                after_request=_no_page_of_litestars,
                include_in_schema=False,
            ),
            render_plugins=[JsonRenderPlugin()],
            components=Components(
                security_schemes={
                    "bearer": SecurityScheme(
                        type="http",
                        scheme="bearer",
                        description="A key of `echoarb keys`; X-API-Key does as well. Needed if "
                        "the API has a key file. Scopes: read, ack, debug.",
                    )
                }
            ),
            security=[{}, {"bearer": []}],
        ),
        logging_config=None,
        debug=False,
    )
    gate = Gate(app.asgi_handler, settings, keyring)
    app.asgi_handler = Edge(gate, settings.api_max_body_bytes, settings.api_request_seconds)
    return app


async def _no_page_of_litestars(response: Response) -> Response:  # type: ignore[type-arg]
    """Refuse unknown paths below /schema as all others are, not with an HTML page."""
    if response.status_code == 404:
        raise NotFoundException
    return response


@get("/docs", media_type=MediaType.HTML, include_in_schema=False)
async def documentation(request: Request) -> str:  # type: ignore[type-arg]
    """Return the documentation page."""
    state = request.app.state
    if "documentation" not in state:
        document = request.app.openapi_schema.to_schema()
        state.documentation = docs.page(document, messages.__doc__ or "")
    return str(state.documentation)
