"""Reading a server that does not keep to the protocol."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress

import pytest

from gateway.cli.parameters import named_map
from gateway.tools.reading_client import ReadingClient, ReadResult


def read_from(respond: Callable[[bytes], bytes]) -> ReadResult:
    """Return the result of reading a server that sends `respond(request)`."""

    def serve() -> None:
        connection, _ = server.accept()
        with connection:
            while request := connection.recv(100):
                connection.sendall(respond(request))

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=serve, daemon=True).start()
        client = ReadingClient("127.0.0.1", server.getsockname()[1], 1)
        client.connect()
        return client.read(named_map("dsmr"))


def test_a_response_with_another_number_of_registers_is_a_problem_and_no_value() -> None:
    result = read_from(lambda request: request[:4] + bytes.fromhex("0005") + request[6:8] + bytes.fromhex("020007"))
    assert "100 to 224" in result.failures["1 registers in the response instead of 125"]
    assert result.registers == {}


@pytest.mark.parametrize(
    ("code", "text"),
    [(6, "exception 0x06, server device busy: ask again later"), (5, "exception 0x05")],
    ids=["known", "unknown"],
)
def test_an_exception_response_is_a_problem_with_the_meaning_of_its_code(code: int, text: str) -> None:
    result = read_from(lambda request: request[:4] + bytes((0, 3, request[6], request[7] | 0x80, code)))
    places = "0 to 19, 100 to 224, 225 to 346, 350 to 473, 474 to 595, 596 to 699, 1000 to 1123, 1124 to 1189"
    assert result.problems == [f"{places}: {text}"]
    assert result.registers == {}


@pytest.mark.parametrize("greeting", [b"HTTP/1.0 400 Bad Request\r\n\r\nhello", b""], ids=["web server", "closes"])
def test_a_server_that_is_not_modbus_is_named_without_a_log_of_its_bytes(
    greeting: bytes, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    def serve() -> None:
        with suppress(OSError):
            while True:
                connection, _ = server.accept()
                with connection:
                    connection.sendall(greeting)

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=serve, daemon=True).start()
        port = server.getsockname()[1]
        client = ReadingClient("127.0.0.1", port, 7)
        client.connect()
        result = client.read(named_map("abb-b23"))
        server.shutdown(socket.SHUT_RDWR)
    assert result.registers == {}
    assert [*result.failures] == [
        f"the server closed the connection. Is 127.0.0.1:{port} a Modbus server, and does it serve unit 7?"
    ]
    assert caplog.text == ""
    assert capfd.readouterr() == ("", "")
