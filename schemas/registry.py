"""Schema registry: any that speaks Confluent's REST paths, through Confluent's own client."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlsplit

import fastavro
import httpx2  # what Confluent's client is made of
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient, SchemaRegistryError

from schemas.codec import schema_text
from schemas.errors import ConfigurationError, Fatal, Poison, Transient
from schemas.settings import RegistrySettings
from schemas.topics import Topic

_NOT_FOUND = (40401, 40402, 40403)
_INCOMPATIBLE = (409, 40901)
_NO_REGISTRY = (OSError, httpx2.HTTPError, ValueError, AttributeError)
"""What Confluent's client raises if nothing answers, or something that is no registry, such as a
proxy's page: the last two are what becomes of an answer that isn't JSON."""


class Registry:
    """Schema ids for writing and schemas for reading; both are cached for good.

    The calls block (milliseconds, once per schema): use them at start or from a thread.
    """

    def __init__(self, settings: RegistrySettings) -> None:
        config: dict[str, Any] = {"url": settings.registry_url, "timeout": 10}
        if settings.registry_username:
            password = settings.registry_password.get_secret_value()
            config["basic.auth.user.info"] = f"{settings.registry_username}:{password}"
        if settings.registry_ca_file:
            config["ssl.ca.location"] = settings.registry_ca_file
        try:
            self._client = SchemaRegistryClient(config)
        except OSError as error:
            raise ConfigurationError(
                f"ECHOARB_REGISTRY_CA_FILE is no such file, or not PEM: {error}"
            ) from error
        except ValueError:
            raise ConfigurationError(
                "ECHOARB_REGISTRY_URL has to be an http:// or https:// URL, and names no user if "
                "ECHOARB_REGISTRY_USERNAME does"
            ) from None
        self._register = settings.registry_register
        url = urlsplit(settings.registry_url)  # as errors show it: without user and password
        self._url = url._replace(netloc=url.netloc.rpartition("@")[2]).geturl()
        self._parsed: dict[int, Any] = {}

    def close(self) -> None:
        """Close the connections to the registry."""
        self._client.close()

    def id_of(self, topic: Topic) -> int:
        """Return the id under which the topic's schema is (or now gets) registered.

        Raises Transient if the registry can't be reached, Fatal if it refuses the schema.
        """
        schema = Schema(schema_text(topic.schema), "AVRO")
        try:
            if self._register:
                return self._client.register_schema(topic.subject, schema)
            found = self._client.lookup_schema(topic.subject, schema).schema_id
            if found is None:
                raise Fatal(f"registry {self._url} answered no id for {topic.subject}")
            return found
        except SchemaRegistryError as error:
            if error.error_code in _INCOMPATIBLE or error.http_status_code == 409:
                raise Fatal(f"{topic.subject}: the registry refuses the schema: {error}") from error
            if error.error_code in _NOT_FOUND:
                raise Fatal(
                    f"{topic.subject} is not registered at {self._url}; register it with "
                    "`echoarb schemas register` or set ECHOARB_REGISTRY_REGISTER=true"
                ) from error
            raise Transient(f"registry {self._url}: {error}") from error
        except _NO_REGISTRY as error:
            raise Transient(f"registry {self._url}: {error}") from error

    def schema(self, schema_id: int) -> Any:
        """Return the schema with this id, as fastavro reads it.

        Raises Poison("unknown_schema") if the registry has no such id or it isn't Avro's, Transient
        if it can't be reached.
        """
        if schema_id not in self._parsed:
            try:
                found = self._client.get_schema(schema_id)
            except SchemaRegistryError as error:
                if error.error_code in _NOT_FOUND or error.http_status_code == 404:
                    raise Poison("unknown_schema", f"no schema {schema_id}") from error
                raise Transient(f"registry {self._url}: {error}") from error
            except _NO_REGISTRY as error:
                raise Transient(f"registry {self._url}: {error}") from error
            if found.schema_str is None:
                raise Transient(f"registry {self._url} answers no schema for id {schema_id}")
            try:
                self._parsed[schema_id] = fastavro.parse_schema(json.loads(found.schema_str))
            except Exception as error:  # fastavro has a dozen, by what is wrong with it
                raise Poison(
                    "unknown_schema", f"schema {schema_id} is not readable Avro"
                ) from error
        return self._parsed[schema_id]
