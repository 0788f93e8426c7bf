"""How often one client may ask: a leaky bucket each (aiolimiter), for a bounded number of them."""

from __future__ import annotations

import ipaddress
import math
from collections import OrderedDict

from aiolimiter import AsyncLimiter

MOST_CLIENTS = 20_000
"""Buckets kept; beyond it the one that was longest unused is forgotten, and is full again."""
PERIOD_SECONDS = 60.0


class Limits:
    """``most`` requests a minute of each client, none of them later than the others."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._buckets: OrderedDict[str, AsyncLimiter] = OrderedDict()

    async def take(self, client: str) -> int | None:
        """Count one request; return None, or the seconds after which the client may ask again."""
        bucket = self._bucket(client)
        if not bucket.has_capacity():
            return self._wait()
        await bucket.acquire()
        return None

    def _wait(self) -> int:
        return max(1, math.ceil(PERIOD_SECONDS / self.most))

    def _bucket(self, client: str) -> AsyncLimiter:
        bucket = self._buckets.pop(client, None) or AsyncLimiter(self.most, PERIOD_SECONDS)
        self._buckets[client] = bucket
        while len(self._buckets) > MOST_CLIENTS:
            self._buckets.popitem(last=False)
        return bucket


def network_of(address: str) -> str:
    """Return what counts as one client: an IPv4 address, or a /64, which is one IPv6 customer."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)
