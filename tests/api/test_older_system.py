"""What the older system had is here: docs/api.md tells the truth, and each of its routes works."""

from __future__ import annotations

import dataclasses

import pytest

from echoarb import older_system


def test_the_page_is_what_the_application_has() -> None:
    page = (older_system.ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    assert page == older_system.document(), "python -m echoarb.older_system > docs/api.md"


@pytest.mark.parametrize("place", ["GET /nowhere", "topic x", "table x", "command x", "file x"])
def test_a_place_that_is_not_there_fails_the_page(
    place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = dataclasses.replace(older_system.ROUTES[0], here=("GET /", place))
    monkeypatch.setattr(older_system, "ROUTES", (row,))
    with pytest.raises(LookupError, match=place):
        older_system.document()
