"""Running the alerts: follow the topics, speak if it is our turn, deliver to webhooks.

Three things run side by side. One follows all that the rules read, and publishes what they bring
while this worker speaks. One is a member of the consumer group of the topic alerts: whoever has its
partition 0 speaks, and each delivers its partitions' alerts to the webhooks. One measures lag.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import KafkaError
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type
from tenacity.wait import wait_random_exponential

from agents.alert_follower import Follower, kafka_options
from agents.alert_metrics import PUBLISHED, RESTARTS, SPEAKING, UNUSABLE
from agents.alert_settings import AlertSettings
from agents.alerting import Alerting
from agents.outbox import Outbox
from agents.processor import Outgoing
from agents.webhooks import Webhooks
from schemas.alert import Alert
from schemas.clock import now_us
from schemas.codec import decode_framed
from schemas.ends import ends
from schemas.errors import Poison, Transient
from schemas.lag import Lags
from schemas.logs import get_logger
from schemas.registry import Registry
from schemas.topics import ALERTS

log = get_logger("echoarb.alerts")

SPEAKER = TopicPartition(ALERTS.name, 0)
"""Whoever has this partition decides on alerts."""
HANDOVER_SECONDS = 15
"""How long giving up partitions waits for what is being published."""
LONGEST_PAUSE = 15


class AlertWorker:
    """One worker's part in the alerts."""

    def __init__(self, settings: AlertSettings) -> None:
        """Raises ConfigurationError if webhooks are configured wrongly."""
        self._settings = settings
        self._registry = Registry(settings)
        self._outbox = Outbox(settings, self._registry)
        self._webhooks = Webhooks(settings)
        self._our_turn = False
        self._handover: dict[tuple[str, int], int] | None = None
        """Ends of the topic alerts that have to be read before we speak."""
        self._working = asyncio.Lock()
        self._lags: dict[str, int] = {}

    async def run(self) -> None:
        """Run until cancelled. What Kafka or the registry lacks is waited for."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._again_and_again(self._follow, "follow"), name="follow")
                tasks.create_task(self._again_and_again(self._share, "share"), name="share")
                tasks.create_task(self._again_and_again(self._measure, "lag"), name="lag")
                tasks.create_task(self._webhooks.run(), name="webhooks")
        finally:
            SPEAKING.set(0)
            self._registry.close()

    async def _again_and_again(self, work: Callable[[], Awaitable[None]], what: str) -> None:
        pause = 0.5
        while True:
            begun = time.monotonic()
            try:
                await work()
            except asyncio.CancelledError as error:
                task = asyncio.current_task()
                if task is None or task.cancelling():
                    raise
                # aiokafka lets its own cancelled futures through when a connection is lost
                log.info("beginning anew", what=what, error=repr(error))
            except (Transient, KafkaError, OSError) as error:
                log.info("beginning anew", what=what, error=str(error)[:300])
            RESTARTS.labels(what).inc()
            pause = 0.5 if time.monotonic() - begun > 60 else min(pause * 2, LONGEST_PAUSE)
            await asyncio.sleep(pause)

    # Following and speaking

    async def _follow(self) -> None:
        alerting = Alerting(self._settings, self._registry.schema)
        follower = Follower(self._settings)
        try:
            await follower.start()
            passed = 0.0
            while True:
                batches = await follower.read()
                async with self._working:
                    await self._turn(alerting, follower)
                    for batch in batches:
                        outgoing = await asyncio.to_thread(alerting.process, batch, live=True)
                        await self._publish(outgoing)
                    if follower.caught_up and time.monotonic() - passed >= 1:
                        passed, now = time.monotonic(), now_us()
                        alerting.measured(self._lags, now)
                        self._lags = {}
                        await self._publish(alerting.pass_time(now))
        finally:
            SPEAKING.set(0)
            await follower.stop()

    async def _turn(self, alerting: Alerting, follower: Follower) -> None:
        """Begin to speak when it is our turn and all is read; stop when it is not."""
        if not self._our_turn:
            alerting.be_silent()
        elif not alerting.speaking and follower.caught_up:
            if self._handover is None:
                wanted = {ALERTS.name: ALERTS.partitions}
                self._handover = await asyncio.to_thread(ends, self._settings, wanted)
            if self._our_turn and await follower.has_read(self._handover):
                alerting.speak(now_us())
                log.info("deciding on alerts", open=len(alerting.open_alerts))
        SPEAKING.set(alerting.speaking)

    async def _publish(self, outgoing: Sequence[Outgoing]) -> None:
        """Return when Kafka has all of them. Raises Transient if it is not our turn any more:
        what we hold for said was not, so the reading has to begin anew."""
        if not outgoing:
            return
        async for attempt in AsyncRetrying(
            retry=retry_if_exception_type(Transient),
            stop=lambda _: not self._our_turn,
            wait=wait_random_exponential(multiplier=0.2, max=HANDOVER_SECONDS / 3),
            before_sleep=_say_waiting,
            reraise=True,
        ):
            with attempt:
                await asyncio.to_thread(self._outbox.publish, outgoing)
        for item in outgoing:
            assert isinstance(item.record, Alert)
            PUBLISHED.labels(item.record.rule, item.record.state).inc()

    # Sharing the webhooks and the turn

    async def _share(self) -> None:
        settings = self._settings
        consumer = AIOKafkaConsumer(
            group_id=settings.alert_group,
            session_timeout_ms=int(settings.alert_session_seconds * 1000),
            heartbeat_interval_ms=int(settings.alert_session_seconds * 250),
            **kafka_options(settings),
        )
        await consumer.start()
        try:
            consumer.subscribe([ALERTS.name], listener=_Turns(self, consumer))
            committed: dict[tuple[str, int], int] = {}
            while True:
                found = await consumer.getmany(timeout_ms=500, max_records=500)
                for place, records in found.items():
                    for record in records:
                        alert = await self._alert(record.value) if self._webhooks.wanted else None
                        self._webhooks.offer(
                            (place.topic, place.partition),
                            record.offset,
                            alert,
                            max(record.timestamp, 0) * 1000,
                        )
                done = self._webhooks.committable()
                if done != committed:
                    await _commit(consumer, done)
                    committed = done
        finally:
            await self.gave_up()
            await _commit(consumer, self._webhooks.committable())
            await consumer.stop()

    async def _alert(self, value: bytes | None) -> Alert | None:
        try:
            record = await asyncio.to_thread(
                decode_framed, ALERTS.schema, value or b"", self._registry.schema
            )
        except Poison as error:
            UNUSABLE.labels(ALERTS.name, error.reason).inc()
            return None
        return record if isinstance(record, Alert) else None

    def took(self, places: set[TopicPartition]) -> None:
        """Take what the group gives us."""
        self._our_turn, self._handover = SPEAKER in places, None

    async def gave_up(self) -> None:
        """Speak no more, once what is being published is."""
        self._our_turn = False
        with suppress(TimeoutError):
            async with asyncio.timeout(HANDOVER_SECONDS), self._working:
                pass

    async def revoked(self, consumer: AIOKafkaConsumer, places: set[TopicPartition]) -> None:
        """Commit what is delivered of these partitions and leave them to others."""
        await self.gave_up()
        await _commit(consumer, self._webhooks.committable())
        self._webhooks.forget({(place.topic, place.partition) for place in places})

    async def _measure(self) -> None:
        lags = Lags(self._settings, self._settings.lag_groups())
        while True:
            await asyncio.sleep(self._settings.alert_lag_check_seconds)
            if self._our_turn:
                self._lags = await asyncio.to_thread(lags.measure)


class _Turns(ConsumerRebalanceListener):  # type: ignore[misc]
    """Tells the worker what the group does."""

    def __init__(self, worker: AlertWorker, consumer: AIOKafkaConsumer) -> None:
        self._worker = worker
        self._consumer = consumer

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        """Before partitions are given up."""
        await self._worker.revoked(self._consumer, revoked)

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        """After partitions were given out."""
        self._worker.took(assigned)


async def _commit(consumer: AIOKafkaConsumer, done: Mapping[tuple[str, int], int]) -> None:
    ours = {
        TopicPartition(*place): offset
        for place, offset in done.items()
        if TopicPartition(*place) in consumer.assignment()
    }
    if ours:
        with suppress(KafkaError):  # the next owner delivers them again, with the same ids
            await consumer.commit(ours)


def _say_waiting(state: RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    log.warning("alerts are waiting for Kafka", error=str(error))
