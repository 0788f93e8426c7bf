"""Alerts to webhooks: each receiver with a queue, a circuit and a pace of its own.

An alert counts as done for a receiver when it was delivered, refused, or given up; its offset may
be committed when it is done for all. A receiver that hangs holds up its own queue only, which is
bounded: the oldest alerts are dropped, and counted.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from purgatory import AsyncCircuitBreakerFactory
from purgatory.domain.model import OpenedState
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type
from tenacity.wait import wait_random_exponential

from agents.alert_metrics import WEBHOOK_FAILURES, WEBHOOK_QUEUE, WEBHOOKS, show
from agents.alert_settings import AlertSettings, us
from agents.processor import Place
from agents.webhook_messages import Post, Receiver, post_of, receivers, secret_of
from schemas.alert import Alert
from schemas.clock import Clock, now_us
from schemas.errors import Transient
from schemas.logs import get_logger

log = get_logger("echoarb.webhooks")

_AGAIN = (408, 425, 429)
"""Statuses below 500 that say: later."""


class Offsets:
    """Which offsets of each partition are done for everybody. Pure."""

    def __init__(self) -> None:
        self._left: dict[Place, dict[int, int]] = {}
        self._next: dict[Place, int] = {}

    def begin(self, place: Place, offset: int, times: int) -> None:
        """Say that an offset is done when ``done`` was said so often. Offsets ascend."""
        self._left.setdefault(place, {})[offset] = times
        self._advance(place)

    def done(self, place: Place, offset: int) -> None:
        """Say that one receiver is done with it."""
        left = self._left.get(place, {})
        if offset in left:
            left[offset] -= 1
            self._advance(place)

    def forget(self, places: Collection[Place]) -> None:
        """Forget partitions that are not ours any more."""
        for place in places:
            self._left.pop(place, None)
            self._next.pop(place, None)

    def committable(self) -> dict[Place, int]:
        """Return the next offset of each partition before which everything is done."""
        return dict(self._next)

    def _advance(self, place: Place) -> None:
        left = self._left[place]
        while left and left[offset := next(iter(left))] <= 0:
            del left[offset]
            self._next[place] = offset + 1


@dataclass(slots=True)
class _Item:
    post: Post
    place: Place
    offset: int
    expires_us: int


@dataclass(slots=True)
class _Queue:
    """Alerts on their way to one receiver."""

    receiver: Receiver
    items: deque[_Item] = field(default_factory=deque)
    some: asyncio.Event = field(default_factory=asyncio.Event)


class Webhooks:
    """Delivers alerts to every configured receiver."""

    def __init__(self, settings: AlertSettings, clock: Clock = now_us) -> None:
        """Raises ConfigurationError if receivers or their secret are wrong."""
        self._settings = settings
        self._clock = clock
        self._offsets = Offsets()
        self._queues = [_Queue(receiver) for receiver in receivers(settings)]
        self._secret = secret_of(settings) if self._queues else b""
        for queue in self._queues:
            show(queue.receiver.label)
        self._breakers = AsyncCircuitBreakerFactory(
            default_threshold=settings.alert_webhook_failures,
            default_ttl=settings.alert_webhook_open_seconds,
            exclude=[asyncio.CancelledError],
        )

    @property
    def wanted(self) -> bool:
        """Whether there are receivers."""
        return bool(self._queues)

    def offer(self, place: Place, offset: int, alert: Alert | None, appended_us: int) -> None:
        """Take the record at a place; None if there is nothing in it to deliver. Never blocks."""
        expires = appended_us + us(self._settings.alert_webhook_give_up_seconds)
        deliver = alert is not None and bool(self._queues)
        if deliver and self._clock() > expires:
            for queue in self._queues:
                WEBHOOKS.labels(queue.receiver.label, "expired").inc()
            deliver = False
        self._offsets.begin(place, offset, len(self._queues) if deliver else 0)
        if alert is None or not deliver:
            return
        item = _Item(post_of(alert), place, offset, expires)
        for queue in self._queues:
            if len(queue.items) >= self._settings.alert_webhook_queue:
                dropped = queue.items.popleft()
                self._finish(queue, dropped, "queue_full")
            queue.items.append(item)
            queue.some.set()
            self._show(queue)

    def committable(self) -> dict[Place, int]:
        """Return the offsets that may be committed."""
        return self._offsets.committable()

    def forget(self, places: Collection[Place]) -> None:
        """Leave these partitions to their new owner; what is being posted is still posted."""
        gone = set(places)
        self._offsets.forget(gone)
        for queue in self._queues:
            queue.items = deque(item for item in queue.items if item.place not in gone)
            self._show(queue)

    async def run(self) -> None:
        """Deliver until cancelled."""
        timeout = aiohttp.ClientTimeout(total=self._settings.alert_webhook_timeout_seconds)
        async with (
            aiohttp.ClientSession(timeout=timeout, cookie_jar=aiohttp.DummyCookieJar()) as session,
            asyncio.TaskGroup() as tasks,
        ):
            for queue in self._queues:
                tasks.create_task(self._serve(queue, session), name=queue.receiver.label)
            await asyncio.Event().wait()

    async def _serve(self, queue: _Queue, session: aiohttp.ClientSession) -> None:
        while True:
            await queue.some.wait()
            if not queue.items:
                queue.some.clear()
                continue
            item = queue.items.popleft()
            self._show(queue)
            self._finish(queue, item, await self._deliver(queue.receiver, item, session))

    async def _deliver(
        self, receiver: Receiver, item: _Item, session: aiohttp.ClientSession
    ) -> str:
        """Return how it ended."""

        def too_late(_: RetryCallState) -> bool:
            return self._clock() >= item.expires_us

        try:
            async for attempt in AsyncRetrying(
                retry=retry_if_exception_type(Transient),
                stop=too_late,
                wait=wait_random_exponential(
                    multiplier=0.5, max=self._settings.alert_webhook_backoff_cap_seconds
                ),
                before_sleep=lambda _: WEBHOOK_FAILURES.labels(receiver.label).inc(),
                reraise=True,
            ):
                with attempt:
                    status = await self._attempt(receiver, item.post, session)
        except Transient as error:
            log.warning("alert not delivered", receiver=receiver.label, error=str(error))
            return "gave_up"
        if 200 <= status < 300:
            return "delivered"
        log.warning("alert refused", receiver=receiver.label, status=status)
        return "refused"

    async def _attempt(self, receiver: Receiver, post: Post, session: aiohttp.ClientSession) -> int:
        """Post once and return the status. Raises Transient if it may go better later."""
        breaker: Any = await self._breakers.get_breaker(receiver.label)
        headers = post.headers(self._secret, int(time.time()))
        try:
            async with (
                breaker,
                session.post(
                    receiver.url, data=post.body, headers=headers, allow_redirects=False
                ) as response,
            ):
                if response.status >= 500 or response.status in _AGAIN:
                    raise Transient(f"HTTP {response.status}")
                return response.status
        except OpenedState as error:
            raise Transient("left alone for a while") from error
        except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as error:
            raise Transient(type(error).__name__) from None  # its text has the URL

    def _finish(self, queue: _Queue, item: _Item, result: str) -> None:
        WEBHOOKS.labels(queue.receiver.label, result).inc()
        self._offsets.done(item.place, item.offset)

    def _show(self, queue: _Queue) -> None:
        WEBHOOK_QUEUE.labels(queue.receiver.label).set(len(queue.items))
