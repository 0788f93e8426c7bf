"""Manifold's frames to ticks, gaps and markets. Pure: no I/O, no clock.

The stream has no sequence numbers, no snapshot and no replay (PROTOCOL 6). What ends a doubt is
therefore told by the edge in the name of a REST answer:

- ``rest:market-probs``          a poll like any other
- ``rest:market-probs.settled``  the bets of these markets were read again before it
- ``rest:<any>.complete``        all bets were read again before it, and every price compared
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import DecimalException
from typing import ClassVar

from connectors.book import Book
from connectors.events import Event, Frame, Ignored, Reconnect, Rejected, SnapshotNeeded
from connectors.json import Row, decode, row
from connectors.manifold import betting, readings
from connectors.manifold.knowledge import DEFAULT_MOST_MARKETS, Knowledge
from connectors.manifold.markets import PLATFORM
from connectors.manifold.topics import Topic, read_topic, shape_of
from connectors.manifold.wire import identifier, text
from schemas.errors import Poison
from schemas.gap import GapReason
from schemas.market import Market

MARKET_ENDPOINTS = ("markets", "search-markets", "market", "slug", "get-contract")
SETTLED = "settled"
COMPLETE = "complete"
UNREADABLE = (RecursionError, DecimalException)
"""What JSON can hold that no reader takes: nesting, or an exponent that no Decimal has."""
MOST_SLOTS = 1_000
MOST_UNKNOWN_KINDS = 50


class Parser:
    """The state of the venue's streams, fed with frames. ``losses``, ``acknowledged``,
    ``bets_missing_since`` and ``doubtful`` are for the edge, which reads by REST what is missing.
    """

    platform: ClassVar[str] = PLATFORM

    def __init__(self, most_markets: int = DEFAULT_MOST_MARKETS) -> None:
        self._know = Knowledge(most_markets)
        self.markets: dict[str, Market] = self._know.markets
        self.acknowledged: dict[str, int] = {}
        """Highest txid that the venue acknowledged, by slot."""
        self._heard: dict[str, Frame] = {}
        """Last frame by slot; none while the slot's connection is down."""
        self._down: set[str] = set()
        self._unknown: set[str] = set()

    @property
    def losses(self) -> int:
        """How often all markets became doubtful at once: unless it is as before, an answer that
        was asked for then settles nothing."""
        return self._know.losses

    def bets_missing_since(self, market_id: str | None = None) -> int | None:
        """Return the venue time, UTC microseconds, of the last bet before a doubt, of one market
        or of all; None if no bets are known to be missing."""
        if market_id is None:
            return self._know.missing_since_us
        contract = self._know.contracts.get(market_id)
        return None if contract is None else contract.missing_since_us

    def doubts_of(self, market_id: str) -> int:
        """Return how often bets of the market were found to be missing: unless it is as before,
        an answer that was asked for then does not settle the market."""
        contract = self._know.contracts.get(market_id)
        return 0 if contract is None else contract.doubts

    def last_bet_us(self, market_ids: Iterable[str] | None = None) -> int | None:
        """Return the venue time of the newest bet pushed of these markets, of any if None."""
        if market_ids is None:
            return self._know.last_bet_us
        found = (self._know.contracts.get(market_id) for market_id in market_ids)
        return max((each.last_bet_us for each in found if each and each.last_bet_us), default=None)

    def doubtful(self, market_ids: Iterable[str]) -> list[str]:
        """Return those of which a price is unknown or not trusted, or a gap is open."""
        return [market_id for market_id in market_ids if self._know.is_doubtful(market_id)]

    def untrusted(self, market_ids: Iterable[str]) -> list[str]:
        """Return those of which a price is unknown or not trusted."""
        return [each for each in market_ids if self._know.is_doubtful(each, gap=False)]

    def books(self) -> Iterable[Book]:
        """Return every outcome's book: one level a side, of size None."""
        return self._know.contracts.books()

    def receive(self, frame: Frame) -> list[Event]:
        """Return what the frame means; never an empty list."""
        endpoint = frame.rest
        if endpoint is not None:
            return self._answer(endpoint, frame)
        slot = frame.connection.partition("/")[0]
        before = self._heard.get(slot)
        events: list[Event] = []
        if before is not None and before.connection != frame.connection:
            detail = "another connection took its place"
            at_us = before.received_us
            events += self.disconnected(before.connection, at_us, "disconnect", detail)
            before = None
        self._know.heard_us = frame.received_us if before is None else before.received_us
        said = self._broadcast(slot, frame)
        self._heard[slot] = Frame(frame.received_us, frame.connection, "")
        if len(self._heard) > MOST_SLOTS:
            del self._heard[next(iter(self._heard))]
        if before is None and not any(isinstance(event, Reconnect) for event in said):
            # It follows its topics now: what was missed can be read by REST without a hole.
            self._down.discard(slot)
            said.append(SnapshotNeeded(frame.connection, ()))
        return events + said

    def disconnected(
        self, connection: str, at_us: int, reason: GapReason, detail: str
    ) -> list[Event]:
        """Trust no price any more and return the gap, over all markets: the venue does not say
        what a connection was following, and a market may have been silent on it."""
        slot = connection.partition("/")[0]
        heard = self._heard.get(slot)
        if heard is not None and heard.connection != connection:
            return []  # its successor was heard already, which told the same
        self._heard.pop(slot, None)
        self.acknowledged.pop(slot, None)
        if len(self._down) < MOST_SLOTS:
            self._down.add(slot)
        return self._know.lose_all(connection, reason, at_us, detail)

    def _broadcast(self, slot: str, frame: Frame) -> list[Event]:
        topic: Topic | None = None
        try:
            message = row(decode(frame.text), "a frame")
            kind = message.get("type")
            if kind == "ack":
                return self._acknowledged(slot, message, frame)
            if kind != "broadcast":
                return [Ignored(self._unknown_kind(shape_of(str(kind))))]
            topic = read_topic(message.get("topic"))
            return self._told(topic, row(message.get("data"), "data"), frame)
        except Poison as error:
            return [Rejected(error.reason, error.detail), *self._unreadable(topic, frame)]
        except UNREADABLE as error:
            detail = type(error).__name__
            return [Rejected("not_json", detail), *self._unreadable(topic, frame)]

    def _told(self, topic: Topic, data: Row, frame: Frame) -> list[Event]:
        match topic.kind_of(data):
            case "new-bet":
                return betting.bets(self._know, data.get("bets"), frame, live=True)
            case "orders":
                return betting.orders(data.get("bets"))
            case "new-contract":
                return readings.created(self._know, data.get("contract"), frame)
            case "updated-contract":
                return readings.patch(self._know, data.get("contract"), frame)
            case "new-answer" | "answer" as kind:
                answer = row(data.get("answer"), "an answer")
                market_id = topic.market_id or answer.get("contractId")
                if kind == "answer":
                    market_id = market_id or self._know.answers.get(str(answer.get("id")))
                if market_id is None:
                    return [Ignored("answer_of_unknown_market")]
                market_id = identifier(market_id, "contractId")
                return readings.answers(self._know, market_id, [answer], frame)
            case "updated-answers" if topic.market_id is not None:
                return readings.answers(self._know, topic.market_id, data.get("answers"), frame)
            case kind if kind in topic.SILENT:
                return [Ignored(kind)]
        return [Ignored(self._unknown_kind(topic.shape))]

    def _acknowledged(self, slot: str, message: Row, frame: Frame) -> list[Event]:
        txid = message.get("txid")
        if message.get("success") is True:
            if isinstance(txid, int) and not isinstance(txid, bool):
                self.acknowledged[slot] = max(txid, self.acknowledged.get(slot, txid))
            return [Ignored("ack")]
        # Some frame of ours was refused, perhaps the subscription: start over.
        detail = text(message.get("error")) or "no reason given"
        return [Rejected("refused", detail), Reconnect(frame.connection, "refused by the venue")]

    def _unreadable(self, topic: Topic | None, frame: Frame) -> list[Event]:
        """Return the gap over what a frame that can't be read may have told."""
        know, detail = self._know, "a frame could not be read"
        market_id = topic.market_id if topic is not None else None
        if market_id is not None and market_id in know.markets:
            return know.lose(market_id, frame.connection, "parse_failure", know.heard_us, detail)
        lost = know.lose_all(frame.connection, "parse_failure", know.heard_us, detail)
        return [*lost, SnapshotNeeded(frame.connection, ())]

    def _answer(self, endpoint: str, frame: Frame) -> list[Event]:
        name, _, stage = endpoint.partition(".")
        try:
            value = decode(frame.text)
            if name == "bets":
                events = betting.bets(self._know, value, frame, live=False)
            elif name == "market-probs":
                settled = stage == SETTLED
                events = readings.probabilities(self._know, value, frame, settled=settled)
            elif name in MARKET_ENDPOINTS:
                events = readings.listed(self._know, value, frame)
            else:
                return [Ignored(self._unknown_kind(f"rest:{shape_of(name)}"))]
        except Poison as error:
            return [Rejected(error.reason, error.detail)]
        except UNREADABLE as error:
            return [Rejected("not_json", type(error).__name__)]
        # While a socket is away, more is being missed.
        if stage == COMPLETE and not self._down:
            events += self._know.settle_all(frame.received_us)
        return events

    def _unknown_kind(self, shape: str) -> str:
        if shape not in self._unknown:
            if len(self._unknown) >= MOST_UNKNOWN_KINDS:
                return "unknown:other"
            self._unknown.add(shape)
        return f"unknown:{shape}"
