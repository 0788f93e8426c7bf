"""Tests of one group share what they start: one worker of xdist has to run them all."""

from __future__ import annotations

import os

import pytest


@pytest.mark.xdist_group("groups")
@pytest.mark.skipif("PYTEST_XDIST_WORKER" not in os.environ, reason="only with pytest -n")
def test_groups_reach_the_scheduler(request: pytest.FixtureRequest) -> None:
    # xdist 3.8 tells the scheduler by the node's id, which it can't change in pytest 9.2.
    assert request.node.nodeid.endswith("@groups")
