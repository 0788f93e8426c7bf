"""The simulated Kalshi."""

from echoarb.simulators.kalshi.simulator import Simulator

__all__ = ["Simulator"]
