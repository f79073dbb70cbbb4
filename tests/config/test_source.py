"""Sources as URLs, taken apart and written again."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic_core import PydanticCustomError

from gateway.config.meter import MeterConfig
from gateway.config.source import SCHEMES, Source, split_source
from gateway.service import source_lines
from gateway.service.node_settings import p1_connections


@pytest.mark.parametrize(
    ("text", "source", "shown"),
    [
        ("rfc2217://p1.local:2001", Source("rfc2217", "p1.local", 2001, "/"), "rfc2217://p1.local:2001"),
        ("rfc2217://[::1]:2001/", Source("rfc2217", "::1", 2001, "/"), "rfc2217://[::1]:2001"),
        ("ws://homey.local/ws", Source("ws", "homey.local", 80, "/ws"), "ws://homey.local:80/ws"),
        ("wss://[::1]/ws", Source("wss", "::1", 443, "/ws"), "wss://[::1]:443/ws"),
        (
            "http://p1.local/api/v1/telegram",
            Source("http", "p1.local", 80, "/api/v1/telegram"),
            "http://p1.local:80/api/v1/telegram",
        ),
        ("homewizard://p1.local", Source("homewizard", "p1.local", 443, "/"), "homewizard://p1.local:443"),
        ("rfc2217://a:1/b?c=d", Source("rfc2217", "a", 1, "/b?c=d"), "rfc2217://a:1/b?c=d"),
    ],
)
def test_a_source_is_taken_apart_and_shown(text: str, source: Source, shown: str) -> None:
    assert split_source(text) == source
    assert str(source) == shown
    assert split_source(shown) == source


@pytest.mark.parametrize(
    ("text", "topic"),
    [
        ("mqtt://broker.local/dsmr/raw", "dsmr/raw"),
        ("mqtts://broker.local:1/a%20b?c", "a b?c"),
        ("mqtt://broker.local//a", "/a"),
    ],
)
def test_the_path_of_an_mqtt_source_is_the_topic(text: str, topic: str) -> None:
    assert split_source(text).topic == topic


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("mqtt://broker.local", "topic-missing"),
        ("mqtt://broker.local/a%00", "topic-missing"),
        ("mqtt://broker.local/#", "topic-wildcard"),
        ("mqtt://broker.local/dsmr/#", "topic-wildcard"),
        ("mqtt://broker.local/+/raw", "topic-wildcard"),
        ("mqtt://broker.local/%23", "topic-wildcard"),
        ("mqtt://broker.local/$share/a/b", "topic-wildcard"),
    ],
)
def test_an_mqtt_source_without_a_topic_or_with_several_is_refused(text: str, code: str) -> None:
    with pytest.raises(PydanticCustomError) as caught:
        split_source(text)
    assert (caught.value.context or {})["problem"].code == code


def test_a_homewizard_source_has_no_path() -> None:
    with pytest.raises(PydanticCustomError) as caught:
        split_source("homewizard://p1.local/api/telegram")
    assert (caught.value.context or {})["problem"].code == "path-not-used"


def test_a_homewizard_device_is_read_over_api_v2_first_if_there_is_a_token(tmp_path: Path) -> None:
    def labels(**keys: object) -> list[str]:
        config = MeterConfig.model_validate({"source": "homewizard://[::1]", **keys})
        return [label for label, _ in p1_connections(config, tmp_path)]

    assert labels() == ["homewizard://[::1]:80 (API v1)"]
    assert labels(token_file="token") == ["homewizard://[::1]:443 (API v2)", "homewizard://[::1]:80 (API v1)"]


def test_a_password_file_needs_a_user() -> None:
    source = "mqtt://broker.local/dsmr/raw"
    assert MeterConfig(source=source, user="me", password_file=Path("p")).user == "me"
    with pytest.raises(ValueError, match="has no user"):
        MeterConfig(source=source, password_file=Path("p"))
    with pytest.raises(ValueError, match="ca cannot be set with a source of mqtt://"):
        MeterConfig(source=source, ca=Path("p"))


@pytest.mark.parametrize("source", ["rfc2217://me:s3cret@a:1", "mqtt://me:s3cr/s3cret@a/topic"])
def test_a_password_in_a_source_is_never_quoted(source: str) -> None:
    with pytest.raises(ValueError, match="no password") as caught:
        MeterConfig(source=source)
    assert "s3cret" not in str(caught.value.errors()[0]["ctx"]["problem"])  # type: ignore[attr-defined]


@pytest.mark.parametrize("host", ["a:1883", "[::1]", "[::1]:1883", "a"])
def test_a_topic_may_have_an_at_sign(host: str) -> None:
    assert MeterConfig(source=f"mqtt://{host}/p1@home").parsed_source


@pytest.mark.parametrize("scheme", SCHEMES)
def test_each_kind_of_source_has_an_example_that_is_valid_and_a_line(scheme: str) -> None:
    token = {"token_file": "meter.token"} if "token_file" in SCHEMES[scheme].keys else {}
    config = MeterConfig.model_validate({"source": SCHEMES[scheme].example, **token})
    assert config.parsed_source
    assert config.parsed_source.scheme == scheme
    assert split_source(str(config.parsed_source)) == config.parsed_source
    assert config.parsed_source.kind.keys <= MeterConfig.model_fields.keys()


def test_there_is_a_line_for_each_kind_of_source_and_no_other() -> None:
    assert source_lines._MAKERS.keys() == SCHEMES.keys()
