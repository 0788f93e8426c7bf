"""Polymarket, simulated: what its recordings show, over the synthetic market."""

from echoarb.simulators.polymarket.venue import Simulator

__all__ = ["Simulator"]
