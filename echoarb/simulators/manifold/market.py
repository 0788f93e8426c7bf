"""What happens in the simulated Manifold: bets, orders, drift, new and resolved markets. No I/O:
each happening returns what the venue would broadcast, in its order (PROTOCOL 6.1)."""

from __future__ import annotations

import random
import string
from collections import deque
from dataclasses import dataclass, field

from echoarb.simulators.manifold.bets import (
    Outcome,
    Row,
    as_sale,
    bet_row,
    fill,
    order_in_the_way,
    redemption_pair,
)
from echoarb.simulators.manifold.contracts import (
    CREATOR,
    MONTH_MS,
    UNIT_POOL,
    Answer,
    Contract,
    Pool,
)
from echoarb.simulators.market import QUESTIONS, belief

Broadcast = tuple[tuple[str, ...], Row]
"""Topics, in the order of sending, and their common data."""

MOST_BETS = 20_000
MOST_NEW_MARKETS = 10
MOST_RESOLVED = 100
MOST_ORDERS = 5
SEVERAL = (
    ("first-of-four", "Which of these happens first?", (0, 1, 2, 3), True),
    ("any-of-three", "Which of these happen this year?", (4, 5, 6), False),
)
"""Markets with several answers: slug, question, beliefs of the answers, whether they sum to 1."""


@dataclass(slots=True)
class MarketMaker:
    """The venue's markets and its log of bets, newest last."""

    seed: int
    chance: random.Random
    started_ms: int
    contracts: dict[str, Contract] = field(default_factory=dict)
    bets: deque[Row] = field(default_factory=lambda: deque(maxlen=MOST_BETS))
    _made: list[str] = field(default_factory=list)
    _resolved: deque[str] = field(default_factory=deque)
    _number: int = 0
    _ids: random.Random = field(default_factory=random.Random)
    """Not seeded: a venue that starts anew does not give its old bets' ids to new ones."""

    def __post_init__(self) -> None:
        for number, (slug, question) in enumerate(QUESTIONS):
            self._add(slug, question, [number], self.started_ms - (number + 1) * MONTH_MS // 30)
        for place, (slug, question, questions, sums) in enumerate(SEVERAL):
            created = self.started_ms - (20 + place) * MONTH_MS // 30
            contract = self._add(slug, question, list(questions), created)
            contract.pool, contract.sums_to_one = None, sums
            values = self._answer_beliefs(contract, self.started_ms)
            contract.answers = [
                Answer(
                    self._id(f"{slug}/{each}", 10),
                    QUESTIONS[each][1],
                    Pool(UNIT_POOL, UNIT_POOL).moved_to(value),
                )
                for each, value in zip(questions, values, strict=True)
            ]
        self._number = len(self.contracts) - 1

    def act(self, now_ms: int) -> list[Broadcast]:
        """Let one thing happen."""
        draw = self.chance.random()
        if draw < 0.002:
            return self.create(now_ms)
        open_contracts = [each for each in self.contracts.values() if each.status(now_ms) == "open"]
        contract = self.chance.choice(open_contracts)
        if contract.sums_to_one:
            return self._bet_on_one_of_all(contract, now_ms)
        if contract.answers:
            return self._bet_on_an_answer(contract, now_ms)
        if draw < 0.05:
            return self.place_order(contract, now_ms)
        if draw < 0.06 and contract.orders:
            return self._cancel_order(contract)
        return self.bet(contract, now_ms)

    def bet(self, contract: Contract, now_ms: int) -> list[Broadcast]:
        """Somebody buys, or sells, towards what is believed."""
        assert contract.pool is not None
        pool, before = contract.pool, contract.pool.probability
        target = belief(self.seed, contract.questions[0], "manifold", now_ms / 1000)
        target += self.chance.uniform(-0.004, 0.004)
        outcome: Outcome = "YES" if target > before else "NO"
        amount = min(self.chance.uniform(1, 60), pool.amount_to(outcome, target) + 0.01)
        bet_id = self._new_id()
        maker, fills, cost, shares = self._matched(contract, bet_id, outcome, amount, now_ms)
        assert contract.pool is not None
        after = contract.pool.probability
        contract.volume += cost
        row = bet_row(
            bet_id, contract.id, outcome, cost, shares, before, after, now_ms, fills=fills
        )
        rows = [row]
        if maker is None and self.chance.random() < 0.25:
            rows[0] = as_sale(row, now_ms)
        elif self.chance.random() < 0.2:
            rows += redemption_pair(self._new_id, contract.id, shares / 2, after, now_ms)
        return self._placed(contract, rows, [] if maker is None else [maker], now_ms)

    def place_order(self, contract: Contract, now_ms: int) -> list[Broadcast]:
        """Somebody leaves an order at a whole percent away from the price."""
        price = contract.probability
        outcome: Outcome = self.chance.choice(("YES", "NO"))
        away = self.chance.randint(1, 4) / 100
        limit = round(price - away if outcome == "YES" else price + away, 2)
        if len(contract.orders) >= MOST_ORDERS or not 0.01 <= limit <= 0.99:
            return self.bet(contract, now_ms)
        order = bet_row(
            self._new_id(), contract.id, outcome, 0, 0, price, price, now_ms,
            orderAmount=self.chance.randint(10, 200), limitProb=limit, isFilled=False,
        )  # fmt: skip
        contract.orders.append(order)
        return self._placed(contract, [order], [], now_ms, new_orders=[order])

    def drift(self) -> None:
        """Move a price without telling anybody, as the venue's own jobs do."""
        contract = self.chance.choice([each for each in self.contracts.values() if each.pool])
        assert contract.pool is not None
        if contract.resolution is None:
            outcome: Outcome = self.chance.choice(("YES", "NO"))
            contract.pool = contract.pool.after(outcome, 5.0)[0]

    def create(self, now_ms: int) -> list[Broadcast]:
        """Somebody opens a market; the oldest opened so is resolved when there are many, and
        forgotten some time later."""
        sent: list[Broadcast] = []
        if len(self._made) >= MOST_NEW_MARKETS:
            oldest = self.contracts[self._made.pop(0)]
            sent += self.resolve(oldest, now_ms) if oldest.resolution is None else []
            self._resolved.append(oldest.id)
        if len(self._resolved) > MOST_RESOLVED:
            del self.contracts[self._resolved.popleft()]
        number = self._number = self._number + 1
        contract = self._add(
            f"synthetic-{number}", f"Synthetic question {number}?", [number], now_ms
        )
        self._made.append(contract.id)
        data = {"contract": contract.internal(), "creator": {"id": contract.id, "name": "S"}}
        return [*sent, (("global", "global/new-contract"), data)]

    def resolve(self, contract: Contract, now_ms: int) -> list[Broadcast]:
        """The creator decides a market with one answer."""
        assert contract.pool is not None
        contract.resolution = "YES" if contract.pool.probability >= 0.5 else "NO"
        contract.resolved_ms = now_ms
        contract.stored_probability = 1 if contract.resolution == "YES" else 0
        patch = {
            "id": contract.id,
            "isResolved": True,
            "resolution": contract.resolution,
            "resolutionTime": now_ms,
            "resolutionProbability": contract.pool.probability,
            "closeTime": now_ms,
            "resolverId": CREATOR,
            "prob": contract.stored_probability,
            "lastUpdatedTime": now_ms,
            "subsidyPool": 0,
        }
        return [_updated(contract, patch)]

    def _matched(
        self, contract: Contract, bet_id: str, outcome: Outcome, amount: float, now_ms: int
    ) -> tuple[Row | None, list[Row], float, float]:
        """Spend ``amount``: on the pool up to the first resting order in the way, then on that
        one. Return the order met, the fills, what was spent and the shares."""
        assert contract.pool is not None
        reached = contract.pool.after(outcome, amount)[0].probability
        order = order_in_the_way(contract.orders, outcome, reached)
        if order is None:
            contract.pool, shares = contract.pool.after(outcome, amount)
            return None, [fill(amount, shares, now_ms)], amount, shares
        limit = order["limitProb"]
        first = min(contract.pool.amount_to(outcome, limit), amount)
        contract.pool, pool_shares = contract.pool.after(outcome, first)
        price = limit if outcome == "YES" else 1 - limit
        left = (order["orderAmount"] - order["amount"]) / (1 - price)
        shares = min((amount - first) / price, left)
        fills = [
            fill(first, pool_shares, now_ms),
            fill(shares * price, shares, now_ms, order["id"]),
        ]
        order["amount"] += shares * (1 - price)
        order["shares"] += shares
        order["fills"] = [*order["fills"], fill(shares * (1 - price), shares, now_ms, bet_id)]
        if shares >= left:
            order["isFilled"] = True
            contract.orders.remove(order)
        return order, fills, first + shares * price, pool_shares + shares

    def _bet_on_one_of_all(self, contract: Contract, now_ms: int) -> list[Broadcast]:
        """Buy one answer of a market whose answers sum to 1: every other answer moves too."""
        values = self._answer_beliefs(contract, now_ms)
        index = self.chance.randrange(len(values))
        answer, group = contract.answers[index], self._new_id() + self._new_id()
        before = answer.pool.probability
        after = before + (values[index] - before) * self.chance.uniform(0.2, 1.0)
        outcome: Outcome = "YES" if after >= before else "NO"
        average = (before + after) / 2 if outcome == "YES" else 1 - (before + after) / 2
        cost = self.chance.uniform(1, 60)
        more = {"answerId": answer.id, "betGroupId": group}
        rows = [
            bet_row(
                self._new_id(), contract.id, outcome, cost, cost / average, before, after, now_ms,
                fills=[fill(cost, cost / average, now_ms)], **more,
            )
        ]  # fmt: skip
        scale = (1 - after) / (1 - before)
        for place, other in enumerate(contract.answers):
            old = other.pool.probability
            new = after if place == index else old * scale
            other.pool = other.pool.moved_to(new)
            if place != index:
                leg = bet_row(
                    self._new_id(), contract.id, "NO" if outcome == "YES" else "YES", 0, 0, old,
                    other.pool.probability, now_ms, isRedemption=True, answerId=other.id,
                    betGroupId=group,
                )  # fmt: skip
                rows.append(leg)
        rows[0]["probAfter"] = answer.pool.probability
        answer.volume += cost
        contract.volume += cost
        return self._placed(contract, rows, [], now_ms)

    def _bet_on_an_answer(self, contract: Contract, now_ms: int) -> list[Broadcast]:
        index = self.chance.randrange(len(contract.answers))
        answer = contract.answers[index]
        before = answer.pool.probability
        target = self._answer_beliefs(contract, now_ms)[index]
        target += self.chance.uniform(-0.004, 0.004)
        outcome: Outcome = "YES" if target > before else "NO"
        cost = min(self.chance.uniform(1, 60), answer.pool.amount_to(outcome, target) + 0.01)
        answer.pool, shares = answer.pool.after(outcome, cost)
        answer.volume += cost
        contract.volume += cost
        row = bet_row(
            self._new_id(), contract.id, outcome, cost, shares, before, answer.pool.probability,
            now_ms, fills=[fill(cost, shares, now_ms)], answerId=answer.id,
        )  # fmt: skip
        return self._placed(contract, [row], [], now_ms)

    def _cancel_order(self, contract: Contract) -> list[Broadcast]:
        order = contract.orders.pop(0)
        order["isCancelled"] = True
        return [((f"contract/{contract.id}/orders",), {"bets": [dict(order)]})]

    def _placed(
        self,
        contract: Contract,
        rows: list[Row],
        makers: list[Row],
        now_ms: int,
        new_orders: list[Row] | None = None,
    ) -> list[Broadcast]:
        """Log the rows and return the broadcasts of one placement."""
        self.bets.extend(rows)
        named = f"contract/{contract.id}"
        copies = {"bets": [dict(row) for row in rows]}
        sent: list[Broadcast] = [
            ((f"{named}/new-bet",), copies),
            (("global", "global/new-bet"), copies),
        ]
        for orders in (new_orders or [], makers):
            if orders:
                sent.append(((f"{named}/orders",), {"bets": [dict(row) for row in orders]}))
        if new_orders:
            return sent
        contract.last_bet_ms = now_ms
        sent.append(_updated(contract, contract.price_patch()))
        if contract.answers:
            changed = contract.internal_answers()
            sent.append(((f"{named}/updated-answers",), {"answers": changed}))
            sent += [((f"answer/{each['id']}/update",), {"answer": each}) for each in changed]
        return sent

    def _answer_beliefs(self, contract: Contract, now_ms: int) -> list[float]:
        values = [belief(self.seed, each, "manifold", now_ms / 1000) for each in contract.questions]
        total = sum(values) if contract.sums_to_one else 1.0
        return [value / total for value in values]

    def _add(self, slug: str, question: str, questions: list[int], at_ms: int) -> Contract:
        contract = Contract(self._id(slug, 10), slug, question, at_ms, questions)
        value = belief(self.seed, questions[0], "manifold", at_ms / 1000)
        # Any pool at that price, with the weight that the venue gives it: YES = NO at creation.
        contract.pool = Pool(UNIT_POOL, UNIT_POOL, value)
        self.contracts[contract.id] = contract
        return contract

    def _id(self, name: str, length: int) -> str:
        letters = random.Random(f"{self.seed}/manifold/{name}")
        return "".join(letters.choices(string.ascii_letters + string.digits, k=length))

    def _new_id(self) -> str:
        return "".join(self._ids.choices(string.ascii_letters + string.digits, k=12))


def _updated(contract: Contract, patch: Row) -> Broadcast:
    return (f"contract/{contract.id}", "global", "global/updated-contract"), {"contract": patch}
