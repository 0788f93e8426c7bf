"""The running API of tests/api, for the terminal view to look at."""

from tests.api.conftest import live_settings, own_broker, settings, tables

__all__ = ["live_settings", "own_broker", "settings", "tables"]
