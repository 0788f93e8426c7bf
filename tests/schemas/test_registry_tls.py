"""The registry over TLS, with an authority of one's own."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from schemas.errors import ConfigurationError, Transient
from schemas.registry import Registry
from schemas.settings import RegistrySettings
from schemas.topics import GAPS
from tests.tls import Authority, front


def id_of_gaps(url: str, ca_file: str) -> int:
    client = Registry(RegistrySettings(_env_file=None, registry_url=url, registry_ca_file=ca_file))
    try:
        return client.id_of(GAPS)
    finally:
        client.close()


async def test_the_registrys_certificate_is_verified(registry: str, tmp_path: Path) -> None:
    ours, others = Authority(tmp_path, "ours"), Authority(tmp_path, "others")
    address = registry.removeprefix("http://")
    async with front(address, ours, asks_who=False) as (port, answered):
        url = f"https://127.0.0.1:{port}"
        for ca_file in (str(others.file), ""):
            with pytest.raises(Transient, match=url):
                await asyncio.to_thread(id_of_gaps, url, ca_file)
        assert not answered.is_set()
        expected = await asyncio.to_thread(id_of_gaps, registry, "")
        assert await asyncio.to_thread(id_of_gaps, url, str(ours.file)) == expected


def test_a_wrong_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "none.pem").write_text("no certificate")
    for file in ("none.pem", "absent.pem"):
        with pytest.raises(ConfigurationError, match="ECHOARB_REGISTRY_CA_FILE"):
            id_of_gaps("https://127.0.0.1:1", str(tmp_path / file))
