"""One client's subscriptions at the simulated Kalshi: commands in, answers and errors out."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from echoarb.simulators.base import Client
from echoarb.simulators.kalshi import frames
from echoarb.simulators.kalshi.market import SimulatedMarket

BOOKS = "orderbook_delta"
LIFECYCLE = "market_lifecycle_v2"
CHANNELS = (BOOKS, "trade", "ticker", LIFECYCLE)
_KNOWN_PARAMS = frozenset(
    ("channels", "market_ticker", "market_tickers", "market_id", "market_ids", "sid", "sids",
     "action", "send_initial_snapshot", "skip_ticker_ack", "use_yes_price")
)  # fmt: skip


class Limits:
    """What the venue limits but does not publish; tests set them low."""

    def __init__(self) -> None:
        self.markets_per_subscription = 10_000
        self.commands_per_second = 200
        self.markets_per_page = 1000
        self.yes_prices_only = False
        """The change that the venue has announced: use_yes_price has no effect any more."""


@dataclass(slots=True)
class Subscription:
    """One channel on one connection. ``tickers`` None = the whole exchange."""

    sid: int
    channel: str
    tickers: set[str] | None
    use_yes_price: bool = False
    seq: int = 0

    def next_seq(self) -> int:
        """Return the number of the next frame."""
        self.seq += 1
        return self.seq

    def follows(self, ticker: str) -> bool:
        """Whether frames of this market go out on it."""
        return self.tickers is None or ticker in self.tickers


class Refusal(Exception):
    """A command that the venue answers with an error."""

    def __init__(self, code: int, sid: int | None = None) -> None:
        super().__init__(frames.ERRORS[code])
        self.code = code
        self.sid = sid


@dataclass(slots=True)
class Session:
    """The state of one socket: sids count from 1 on every connection."""

    client: Client
    markets: Mapping[str, SimulatedMarket]
    limits: Limits
    subscriptions: dict[int, Subscription] = field(default_factory=dict)
    _last_sid: int = 0
    _second: int = 0
    _commands: int = 0

    def of_channel(self, channel: str) -> Subscription | None:
        """Return the subscription to a channel."""
        return next((s for s in self.subscriptions.values() if s.channel == channel), None)

    async def command(self, text: str, now_ms: int) -> None:
        """Answer one command."""
        number: int | None = None
        try:
            try:
                command: Any = msgspec.json.decode(text)
                said = command.get("id")
            except (msgspec.DecodeError, AttributeError, RecursionError) as error:
                raise Refusal(1) from error
            if said is not None and type(said) is not int:
                raise Refusal(1)
            number = said or None  # 0 counts as absent
            self._count_command()
            params = command.get("params")
            match command.get("cmd"):
                case "list_subscriptions":
                    await self._list(number)
                case "subscribe":
                    await self._subscribe(number, _checked(params), now_ms)
                case "unsubscribe":
                    await self._unsubscribe(number, _checked(params))
                case "update_subscription":
                    await self._update(number, _checked(params), now_ms)
                case _:
                    raise Refusal(5)
        except Refusal as refusal:
            subscription = self.subscriptions.get(refusal.sid or 0)
            if subscription is None:
                await self.client.send(frames.error(refusal.code, command=number), data=False)
            else:
                await self.fail(subscription, refusal.code)

    async def fail(self, subscription: Subscription, code: int) -> None:
        """Send an error of a subscription: it takes a number, where numbers are counted."""
        seq = None if subscription.channel == "ticker" else subscription.next_seq()
        error = frames.error(code, sid=subscription.sid, seq=seq)
        await self.client.send(error, data=False)

    async def snapshot(
        self,
        subscription: Subscription,
        market: SimulatedMarket,
        now_ms: int,
        command: int | None = None,
    ) -> None:
        """Send one market's book."""
        seq = subscription.next_seq()
        text = frames.snapshot(
            market, subscription.sid, seq, now_ms, command, yes_prices=self.yes_prices(subscription)
        )
        await self.client.send(text)

    def yes_prices(self, subscription: Subscription) -> bool:
        """Whether NO bids go out at YES prices."""
        return subscription.use_yes_price or self.limits.yes_prices_only

    def _count_command(self) -> None:
        second = int(time.monotonic())
        if second != self._second:
            self._second, self._commands = second, 0
        self._commands += 1
        if self._commands > self.limits.commands_per_second:
            raise Refusal(27)

    async def _list(self, number: int | None) -> None:
        listed = [{"channel": s.channel, "sid": s.sid} for s in self.subscriptions.values()]
        named = {} if number is None else {"id": number}
        await self.client.send(frames.text({**named, "type": "ok", "msg": listed}), data=False)

    async def _subscribe(self, number: int | None, params: dict[str, Any], now_ms: int) -> None:
        channels = params.get("channels")
        if not channels or not isinstance(channels, list):
            raise Refusal(3)
        tickers = _tickers(params)
        for channel in channels:
            if channel not in CHANNELS:
                await self.client.send(frames.error(8, command=number), data=False)
            elif channel == BOOKS and not tickers:
                await self.client.send(frames.error(14, command=number), data=False)
            else:
                await self._open(number, channel, tickers, params, now_ms)

    async def _open(
        self,
        number: int | None,
        channel: str,
        tickers: list[str],
        params: dict[str, Any],
        now_ms: int,
    ) -> None:
        wanted = None if not tickers or channel == LIFECYCLE else set(tickers)
        subscription = self.of_channel(channel)
        added = wanted or set()
        if subscription is None:
            if len(added) > self.limits.markets_per_subscription:
                await self.client.send(frames.error(26, command=number), data=False)
                return
            self._last_sid += 1
            subscription = Subscription(
                self._last_sid, channel, wanted, bool(params.get("use_yes_price", False))
            )
            self.subscriptions[subscription.sid] = subscription
            answer = frames.subscribed(number, channel, subscription.sid)
            await self.client.send(answer, data=False)
        else:
            added = self._extend(subscription, added)
            await self._ok(number, subscription)
        await self._first(subscription, sorted(added), params, now_ms)

    def _extend(self, subscription: Subscription, added: set[str]) -> set[str]:
        """Add markets to a subscription; return those that are new to it."""
        if subscription.tickers is None:
            return set()
        fresh = added - subscription.tickers
        if len(subscription.tickers) + len(fresh) > self.limits.markets_per_subscription:
            raise Refusal(26)
        subscription.tickers |= fresh
        return fresh

    async def _first(
        self, subscription: Subscription, tickers: list[str], params: dict[str, Any], now_ms: int
    ) -> None:
        """Send what new markets of a subscription begin with."""
        for ticker in tickers:
            market = self.markets.get(ticker)
            if market is None:
                continue
            if subscription.channel == BOOKS:
                await self.snapshot(subscription, market, now_ms)
            elif subscription.channel == "ticker" and params.get("send_initial_snapshot"):
                await self.client.send(frames.ticker(market, subscription.sid, now_ms))

    async def _unsubscribe(self, number: int | None, params: dict[str, Any]) -> None:
        for sid in _sids(params):
            subscription = self.subscriptions.pop(sid, None)
            if subscription is None:
                raise Refusal(7)
            named = {} if number is None else {"id": number}
            seq = subscription.next_seq()
            frame = {**named, "sid": sid, "seq": seq, "type": "unsubscribed"}
            await self.client.send(frames.text(frame), data=False)

    async def _update(self, number: int | None, params: dict[str, Any], now_ms: int) -> None:
        sids = _sids(params)
        if len(sids) != 1:
            raise Refusal(12)
        subscription = self.subscriptions.get(sids[0])
        if subscription is None:
            raise Refusal(7)
        tickers = _tickers(params)
        action = params.get("action")
        supported = ("add_markets", "delete_markets", "get_snapshot")
        if action not in supported or (action == "get_snapshot" and subscription.channel != BOOKS):
            raise Refusal(13, subscription.sid)
        if not tickers:
            raise Refusal(14)
        if action == "get_snapshot":
            for ticker in tickers:
                market = self.markets.get(ticker)
                if market is not None and subscription.follows(ticker):
                    await self.snapshot(subscription, market, now_ms, number)
            return
        added: set[str] = set()
        if action == "add_markets":
            added = self._extend(subscription, set(tickers))
        elif subscription.tickers is not None:
            subscription.tickers -= set(tickers)
        await self._ok(number, subscription)
        await self._first(subscription, sorted(added), params, now_ms)

    async def _ok(self, number: int | None, subscription: Subscription) -> None:
        followed = sorted(subscription.tickers or ())
        answer = frames.ok(number, subscription.sid, subscription.next_seq(), followed)
        await self.client.send(answer, data=False)


def _checked(params: Any) -> dict[str, Any]:
    if not params or not isinstance(params, dict):
        raise Refusal(2)
    if not params.keys() <= _KNOWN_PARAMS:
        raise Refusal(11)
    return params


def _tickers(params: dict[str, Any]) -> list[str]:
    one = params.get("market_ticker")
    many = params.get("market_tickers") or ([one] if one else [])
    if not isinstance(many, list) or not all(isinstance(item, str) for item in many):
        raise Refusal(11)
    return many


def _sids(params: dict[str, Any]) -> list[int]:
    sids = params.get("sids")
    if sids is None and params.get("sid") is not None:
        sids = [params["sid"]]
    if not sids or not isinstance(sids, list) or not all(isinstance(sid, int) for sid in sids):
        raise Refusal(4)
    return sids
