"""Contracts of the simulated Manifold and the pools that price them, in floats as at the venue."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from echoarb.simulators.manifold.bets import NO_FEES, Outcome, Row

UNIT_POOL = 1_000.0
CREATOR = "simulatedCreator0000000000"
MONTH_MS = 30 * 24 * 3_600_000


@dataclass(slots=True)
class Pool:
    """Shares of each side and the weight of ``cpmm-1``; 0.5 for an answer's pool."""

    yes: float
    no: float
    weight: float = 0.5

    @property
    def probability(self) -> float:
        """The marginal price of YES."""
        return self.weight * self.no / ((1 - self.weight) * self.yes + self.weight * self.no)

    def after(self, outcome: Outcome, amount: float) -> tuple[Pool, float]:
        """Return the pool after a purchase for ``amount``, and the shares bought: the product
        YES^p x NO^(1-p) stays what it was."""
        p, k = self.weight, self.yes**self.weight * self.no ** (1 - self.weight)
        if outcome == "YES":
            shares = self.yes + amount - (k * (amount + self.no) ** (p - 1)) ** (1 / p)
            return Pool(self.yes - shares + amount, self.no + amount, p), shares
        shares = self.no + amount - (k * (amount + self.yes) ** -p) ** (1 / (1 - p))
        return Pool(self.yes + amount, self.no - shares + amount, p), shares

    def amount_to(self, outcome: Outcome, target: float) -> float:
        """Return what a purchase of ``outcome`` must cost to bring the price to ``target``."""
        low, high = 0.0, 100 * UNIT_POOL
        for _ in range(60):
            middle = (low + high) / 2
            reached = self.after(outcome, middle)[0].probability
            if reached < target if outcome == "YES" else reached > target:
                low = middle
            else:
                high = middle
        return low

    def moved_to(self, probability: float) -> Pool:
        """Return a pool of the same product at another price (weight 0.5 only)."""
        root = math.sqrt(self.yes * self.no)
        odds = math.sqrt(probability / (1 - probability))
        return Pool(root / odds, root * odds, self.weight)


@dataclass(slots=True)
class Answer:
    """One answer of a market with several."""

    id: str
    text: str
    pool: Pool
    volume: float = 0.0


@dataclass(slots=True)
class Contract:
    """One market. ``questions`` are the indexes of the beliefs behind it or its answers."""

    id: str
    slug: str
    question: str
    created_ms: int
    questions: list[int]
    pool: Pool | None = None
    answers: list[Answer] = field(default_factory=list)
    sums_to_one: bool = False
    volume: float = 0.0
    last_bet_ms: int | None = None
    resolution: str | None = None
    resolved_ms: int | None = None
    stored_probability: float | None = None
    """What the internal contract keeps of a market resolved YES or NO: 1 or 0."""
    orders: list[Row] = field(default_factory=list)
    """Resting orders, unfilled in part or whole."""

    @property
    def probability(self) -> float:
        """Price of a market with one answer."""
        assert self.pool is not None
        stored = self.stored_probability
        return self.pool.probability if stored is None else stored

    def lite(self, *, answers: bool) -> Row:
        """Return the LiteMarket; with ``answers``, the FullMarket's answers too."""
        row: Row = {
            "id": self.id,
            "creatorId": CREATOR,
            "creatorUsername": "Simulator",
            "creatorName": "Simulator",
            "createdTime": self.created_ms,
            "closeTime": min(self.close_ms, self.resolved_ms or self.close_ms),
            "question": self.question,
            "slug": self.slug,
            "url": f"https://manifold.markets/Simulator/{self.slug}",
        }
        if self.pool is not None:
            pool = {"NO": self.pool.no, "YES": self.pool.yes}
            row |= {"pool": pool, "probability": self.pool.probability, "p": self.pool.weight}
        row |= {
            "totalLiquidity": UNIT_POOL,
            "outcomeType": "MULTIPLE_CHOICE" if self.answers else "BINARY",
            "mechanism": "cpmm-multi-1" if self.answers else "cpmm-1",
            "volume": self.volume,
            "volume24Hours": self.volume,
            "isResolved": self.resolution is not None,
            **self._resolved(),
            "uniqueBettorCount": 2,
            "lastUpdatedTime": self.last_bet_ms or self.created_ms,
        }
        if self.last_bet_ms is not None:
            row["lastBetTime"] = self.last_bet_ms
        row["token"] = "MANA"  # noqa: S105
        if self.answers and answers:
            row["answers"] = [self._full_answer(index) for index in range(len(self.answers))]
            row["shouldAnswersSumToOne"] = self.sums_to_one
        return row

    def internal(self) -> Row:
        """Return the internal contract, as ``global/new-contract`` carries it."""
        row = {
            key: value
            for key, value in self.lite(answers=False).items()
            if key not in ("probability", "url")
        }
        row |= {"visibility": "public", "subsidyPool": 0, "collectedFees": NO_FEES}
        if self.answers:
            row |= {
                "answers": self.internal_answers(),
                "shouldAnswersSumToOne": self.sums_to_one,
            }
        else:
            row |= {"prob": self.probability, "elasticity": 4.99}
        return row

    @property
    def close_ms(self) -> int:
        """When trading ends."""
        return self.created_ms + 12 * MONTH_MS

    def status(self, now_ms: int) -> str:
        """Whether it is open, closed, or resolved, in the words of the search's filter."""
        if self.resolution is not None:
            return "resolved"
        return "open" if now_ms < self.close_ms else "closed"

    def price_patch(self) -> Row:
        """Return what ``contract/{id}`` carries after a bet."""
        patch: Row = {
            "id": self.id,
            "lastBetTime": self.last_bet_ms,
            "volume": self.volume,
            "lastUpdatedTime": self.last_bet_ms,
            "uniqueBettorCount": 2,
        }
        if self.pool is None:
            return patch | {"answers": self.internal_answers()}
        return patch | {
            "pool": {"YES": self.pool.yes, "NO": self.pool.no},
            "p": self.pool.weight,
            "totalLiquidity": UNIT_POOL,
            "prob": self.probability,
        }

    def internal_answers(self) -> list[Row]:
        """Return the answers as the WebSocket has them."""
        return [
            {
                "id": answer.id,
                "contractId": self.id,
                "index": index,
                "text": answer.text,
                "prob": answer.pool.probability,
                "poolYes": answer.pool.yes,
                "poolNo": answer.pool.no,
                "volume": answer.volume,
                "totalLiquidity": UNIT_POOL,
                "subsidyPool": 0,
                "isOther": False,
                "createdTime": self.created_ms,
                "userId": CREATOR,
                "probChanges": {"day": 0, "week": 0, "month": 0},
            }
            for index, answer in enumerate(self.answers)
        ]

    def probs(self) -> Row:
        """Return the market's entry of /market-probs."""
        if self.pool is not None:
            return {"prob": self.probability}
        return {"answerProbs": {answer.id: answer.pool.probability for answer in self.answers}}

    def _full_answer(self, index: int) -> Row:
        answer = self.internal_answers()[index]
        pool = {"YES": answer.pop("poolYes"), "NO": answer.pop("poolNo")}
        return answer | {"pool": pool, "probability": answer.pop("prob")}

    def _resolved(self) -> Row:
        if self.resolution is None:
            return {}
        assert self.pool is not None
        return {
            "resolution": self.resolution,
            "resolutionTime": self.resolved_ms,
            "resolutionProbability": self.pool.probability,
            "resolverId": CREATOR,
        }
