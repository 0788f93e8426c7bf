"""The running API of tests/api, for the client to ask."""

from tests.api.conftest import api, live_settings, own_broker, settings, tables

__all__ = ["api", "live_settings", "own_broker", "settings", "tables"]
