"""The control socket tells its own user what clients ask, and takes no harm from anyone else."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway.nodes import control as module
from gateway.nodes.control import MAX_VIEWERS, Control
from gateway.protocol.modbus.monitor import CountedClient, Exchange, Monitor
from gateway.runtime.clock import now, unix_now
from gateway.runtime.health import GOOD, Health
from gateway.runtime.status import Colour
from gateway.transport import control_socket
from gateway.transport.control_socket import (
    ANOTHER,
    FOLLOW,
    HEALTH,
    HEALTH_WITH_METERS,
    ONCE,
    RELOAD,
    REPORT,
    SOCKET_NAME,
    SOURCES,
    TwoGatewaysError,
    ask,
    running_socket_path,
    socket_path,
)
from tests.waiting import running, until

LIMIT_S = 60.0
READ = bytes.fromhex("0300050001")
ANSWER = bytes.fromhex("03020005")
REFUSAL = bytes.fromhex("8302")


def healthy(*, counts_meters: bool) -> Health:
    return Health("m: no telegram yet" if counts_meters else GOOD, now() - 60)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run" / SOCKET_NAME


async def shown(path: Path, question: bytes = ONCE) -> list[dict[str, Any]]:
    lines: list[bytes] = []
    await asyncio.wait_for(ask(path, question, lines.append), LIMIT_S)
    return [json.loads(line) for line in lines]


def mode(path: Path) -> str:
    return stat.filemode(path.stat().st_mode)


def folder_of(path: Path) -> list[Path]:
    return list(path.parent.iterdir())


def leave_behind(path: Path) -> None:
    """A socket as a gateway leaves it that was killed."""
    path.parent.mkdir()
    with socket.socket(socket.AF_UNIX) as leftover:
        leftover.bind(str(path))


async def test_the_requests_of_every_server_are_reported_in_order(path: Path) -> None:
    monitors = {"first": Monitor(), "second": Monitor()}
    moment = now()
    monitors["second"].note(moment - 2, CountedClient("192.0.2.2", 0.0), 7, READ, REFUSAL)
    monitors["first"].note(moment - 3, CountedClient("192.0.2.1", 0.0), 1, READ, ANSWER)
    monitors["first"].note(moment - 1, CountedClient("192.0.2.1", 0.0), 9, READ, None)
    async with running(Control(path, monitors, healthy)):
        told = await shown(path)
    assert [(line["server"], line["client"], line["unit"], line["answer"]) for line in told] == [
        ("first", "192.0.2.1", 1, ANSWER.hex()),
        ("second", "192.0.2.2", 7, REFUSAL.hex()),
        ("first", "192.0.2.1", 9, None),
    ]
    assert {line["request"] for line in told} == {READ.hex()}
    assert told[0]["text"] == "192.0.2.1 unit 1 FC03 address 5 (40006) count 1: 2 bytes 0005"
    assert unix_now() - told[0]["time"] == pytest.approx(3, abs=1)


@pytest.mark.parametrize(
    ("question", "expected"), [(HEALTH, (True, "ok")), (HEALTH_WITH_METERS, (False, "m: no telegram yet"))]
)
async def test_how_the_gateway_is_can_be_asked(path: Path, question: bytes, expected: tuple[bool, str]) -> None:
    async with running(Control(path, {}, healthy)):
        (told,) = await shown(path, question)
    assert (told["is_healthy"], told["reason"]) == expected
    assert unix_now() - told["since"] == pytest.approx(60, abs=1)


async def test_a_follower_gets_each_request_once_as_it_arrives(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "POLL_S", 0.01)
    monitor = Monitor()
    monitor.note(now(), CountedClient("192.0.2.1", 0.0), 1, READ, ANSWER)
    lines: list[bytes] = []
    async with running(Control(path, {"s": monitor}, healthy)):
        following = asyncio.create_task(ask(path, FOLLOW, lines.append))
        for count in (1, 2, 3):
            await until(lambda n=count: len(lines) == n)  # type: ignore[misc]
            monitor.note(now(), CountedClient("192.0.2.1", 0.0), count, READ, ANSWER)
        await until(lambda: len(lines) == 4)
        following.cancel()
        await asyncio.wait_for(following, LIMIT_S)
    assert [json.loads(line)["unit"] for line in lines] == [1, 1, 2, 3]


async def test_a_follower_learns_of_servers_that_start_and_end(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "POLL_S", 0.01)
    first, second = Monitor(), Monitor()
    monitors = {"first": first}
    lines: list[bytes] = []
    async with running(Control(path, monitors, healthy)):
        following = asyncio.create_task(ask(path, FOLLOW, lines.append))
        first.note(now(), CountedClient("192.0.2.1", 0.0), 1, READ, ANSWER)
        await until(lambda: len(lines) == 1)
        # As a reload does.
        monitors.clear()
        monitors["second"] = second
        second.note(now(), CountedClient("192.0.2.1", 0.0), 2, READ, ANSWER)
        await until(lambda: len(lines) == 2)
        monitors["first"] = anew = Monitor()
        anew.note(now(), CountedClient("192.0.2.1", 0.0), 3, READ, ANSWER)
        await until(lambda: len(lines) == 3)
        following.cancel()
        await asyncio.wait_for(following, LIMIT_S)
    assert [json.loads(line)["unit"] for line in lines] == [1, 2, 3]


async def test_requests_of_one_moment_are_reported_in_the_order_of_arrival(path: Path) -> None:
    monitor = Monitor()
    moment = now()
    for unit_id, answer in ((9, ANSWER), (1, None), (1, ANSWER), (5, REFUSAL)):
        monitor.note(moment, CountedClient("192.0.2.1", 0.0), unit_id, READ, answer)
    async with running(Control(path, {"s": monitor}, healthy)):
        assert [line["unit"] for line in await shown(path)] == [9, 1, 1, 5]


async def test_only_its_own_user_can_open_it_and_it_is_gone_afterwards(path: Path) -> None:
    control = Control(path, {}, healthy)
    async with running(control):
        assert mode(path) == "srw-------"
        assert mode(path.parent) == "drwx------"
        assert str(control.status) == "green dot: ready"
    with pytest.raises(FileNotFoundError):
        await shown(path)
    assert folder_of(path) == []


async def test_a_socket_left_behind_is_taken_over_and_one_that_responds_is_not(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first = Control(path, {"first": Monitor()}, healthy)
    leave_behind(path)
    async with running(first):
        second = Control(path, {"second": Monitor()}, healthy)
        async with running(second):
            assert str(second.status) == "yellow ring: another program uses the socket of the commands"
            assert await shown(path) == []
            assert "two" in (await shown(path, RELOAD))[0]
    lines = [(record.levelno, record.getMessage()) for record in caplog.records]
    assert len(lines) == 1, lines
    assert lines[0][0] == logging.WARNING
    assert f"another gateway (process {os.getpid()}) uses {path}. To run both, set RUNTIME_DIRECTORY" in lines[0][1]


async def test_a_socket_that_another_gateway_gives_up_is_used_without_an_error(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LOOK_AGAIN_S", 0.01)
    async with running(Control(path, {}, healthy)):
        waiting = Control(path, {}, healthy, lambda: {"nodes": []})
        task = asyncio.create_task(waiting.run())
        await until(lambda: waiting.status.colour is Colour.YELLOW)
    await until(lambda: waiting.status.colour is Colour.GREEN)
    assert await shown(path, REPORT) == [{"nodes": []}]
    task.cancel()
    await asyncio.wait([task])


async def test_a_path_that_cannot_be_made_free_is_named_with_the_way_out(path: Path) -> None:
    path.mkdir(parents=True)  # noqa: ASYNC240 - nothing else runs
    with pytest.raises(OSError, match=r"cannot be removed .*: another user or program has made it\. Remove it"):
        await asyncio.wait_for(Control(path, {}, healthy).run(), LIMIT_S)


async def test_a_report_of_any_length_is_one_line(path: Path) -> None:
    said = {"nodes": ["x" * 1000] * 300}
    async with running(Control(path, {}, healthy, lambda: said)):
        assert await shown(path, REPORT) == [said]
    async with running(Control(path, {}, healthy)):
        assert await shown(path, REPORT) == [{}]


@pytest.mark.parametrize(
    "question", [b"", b"\n", b"requests", b"stop\n", b"x" * 100_000, b"\xff\x00\n"], ids=lambda each: repr(each[:9])
)
async def test_what_is_no_question_gets_no_answer_and_does_no_harm(
    question: bytes, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    monitor = Monitor()
    monitor.note(now(), CountedClient("192.0.2.1", 0.0), 1, READ, ANSWER)
    async with running(Control(path, {"s": monitor}, healthy)):
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(question)
        writer.write_eof()
        answer = b""
        try:
            async with asyncio.timeout(LIMIT_S):
                answer = await reader.read()
        except ConnectionError:
            pass  # closed while more of the question was on the way
        assert answer == b""
        writer.close()
        assert len(await shown(path)) == 1
    assert caplog.records == []


async def test_a_viewer_that_says_nothing_is_closed(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "QUESTION_TIMEOUT_S", 0.1)
    async with running(Control(path, {}, healthy)):
        reader, writer = await asyncio.open_unix_connection(path)
        assert await asyncio.wait_for(reader.read(), LIMIT_S) == b""
        writer.close()


async def test_viewers_are_limited_in_number_and_make_room_when_they_leave(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "POLL_S", 0.01)
    monitor = Monitor()
    monitor.note(now(), CountedClient("192.0.2.1", 0.0), 1, READ, ANSWER)
    control = Control(path, {"s": monitor}, healthy)
    async with running(control):
        viewers = []
        for _ in range(MAX_VIEWERS):
            reader, writer = await asyncio.open_unix_connection(path)
            writer.write(FOLLOW)
            assert await asyncio.wait_for(reader.readline(), LIMIT_S)
            viewers.append(writer)
        assert await shown(path) == []
        # Whatever starts the gateway anew when it is not well is answered all the same.
        assert (await shown(path, HEALTH))[0]["is_healthy"]
        for writer in viewers:
            writer.close()
        # Although no client asks anything meanwhile.
        await until(lambda: control._viewers == 0)
        assert await shown(path)


@pytest.mark.parametrize(
    ("environment", "folder"),
    [
        ({"RUNTIME_DIRECTORY": "/run/dsmr-gateway", "XDG_RUNTIME_DIR": "/run/user/1"}, "/run/dsmr-gateway"),
        ({"XDG_RUNTIME_DIR": "/run/user/1"}, "/run/user/1"),
        ({"HOME": "/home/p1"}, "/home/p1/.cache/dsmr-gateway"),
    ],
    ids=["systemd", "session", "neither"],
)
def test_the_socket_lies_where_the_system_keeps_such_things(
    environment: dict[str, str], folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("RUNTIME_DIRECTORY", "XDG_RUNTIME_DIR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert socket_path() == Path(folder) / SOCKET_NAME


def test_a_user_without_a_home_is_no_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    for name in ("RUNTIME_DIRECTORY", "XDG_RUNTIME_DIR", "HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", no_home)
    assert socket_path() == Path("/.cache/dsmr-gateway") / SOCKET_NAME


def test_a_gateway_that_is_a_service_is_asked_where_the_user_runs_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, service = tmp_path / "own", tmp_path / "service"
    monkeypatch.delenv("RUNTIME_DIRECTORY", raising=False)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(own))
    monkeypatch.setattr(control_socket, "SERVICE_FOLDER", service)
    assert running_socket_path() == own / SOCKET_NAME
    leave_behind(own / SOCKET_NAME)
    with listening(service / SOCKET_NAME):
        assert running_socket_path() == service / SOCKET_NAME, "one that was killed leaves its socket behind"
        (own / SOCKET_NAME).unlink()
        with listening(own / SOCKET_NAME):
            with pytest.raises(TwoGatewaysError, match=f"RUNTIME_DIRECTORY={own} or RUNTIME_DIRECTORY={service}"):
                running_socket_path()
            for folder in (own, service):
                monkeypatch.setenv("RUNTIME_DIRECTORY", str(folder))
                assert running_socket_path() == folder / SOCKET_NAME


@contextmanager
def listening(path: Path) -> Iterator[None]:
    path.parent.mkdir(exist_ok=True)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()
        yield


async def test_a_gateway_does_not_reload_when_another_one_may_be_meant(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reloads = 0

    async def reload() -> dict[str, object]:
        nonlocal reloads
        reloads += 1
        return {"is_applied": True, "changes": [], "problems": []}

    control = Control(path, {}, healthy, reload=reload)
    control.configuration = "/a/gateway.yaml"
    async with running(control):
        (result,) = await shown(path, RELOAD)
        assert (reloads, result["configuration"]) == (1, "/a/gateway.yaml")
        assert (await shown(path, HEALTH))[0]["configuration"] == "/a/gateway.yaml"
        await shown(path, ANOTHER)
        (result,) = await shown(path, RELOAD)
        assert (reloads, result["is_applied"]) == (1, False)
        assert f"process {os.getpid()} with /a/gateway.yaml, and process {os.getpid()}." in result["two"]
        assert (await shown(path, HEALTH))[0]["note"] == result["two"]
        monkeypatch.setattr(module, "ANOTHER_LASTS_S", -1)
        await shown(path, RELOAD)
        assert reloads == 2, "the other one has ended"


async def test_a_request_comes_with_the_advice_about_it(path: Path) -> None:
    monitor = Monitor()
    for unit_id in (1, 9, 9):
        monitor.note(now(), CountedClient("192.0.2.1", 0.0), unit_id, READ, REFUSAL)
    asked: list[int] = []

    def advise(server: str, exchange: Exchange) -> str:
        asked.append(exchange.unit_id)
        return f"{server}: is it unit 1?" if exchange.unit_id == 9 else ""

    async with running(Control(path, {"s": monitor}, healthy, advise=advise)):
        lines = await shown(path)
    assert [line["advice"] for line in lines] == ["", "s: is it unit 1?", "s: is it unit 1?"]
    assert asked == [1, 9], "a repeated request gets the advice that is known"


async def test_a_gateway_without_a_valid_configuration_reports_its_problems(path: Path) -> None:
    problems = ["gateway.yaml:1:1: meter: no"]
    async with running(Control(path, {}, healthy, problems=lambda: problems)):
        for question in (ONCE, FOLLOW):
            assert await shown(path, question) == [{"problems": problems}]


async def test_the_places_that_the_gateway_reads_are_reported(path: Path) -> None:
    sources = {"meters": [{"name": "m", "place": "/dev/ttyUSB0"}], "passthroughs": [2001]}
    async with running(Control(path, {}, healthy, sources=lambda: sources)):
        assert await shown(path, SOURCES) == [sources]
