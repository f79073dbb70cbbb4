"""Reading a server that does not keep to the protocol."""

from __future__ import annotations

import socket
import threading

from gateway.cli.parameters import named_map
from gateway.tools.reading_client import ReadingClient


def test_a_response_with_another_number_of_registers_is_a_problem_and_no_value() -> None:
    def respond() -> None:
        connection, _ = server.accept()
        with connection:
            while request := connection.recv(100):
                connection.sendall(request[:4] + bytes.fromhex("0005") + request[6:8] + bytes.fromhex("020007"))

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=respond, daemon=True).start()
        client = ReadingClient("127.0.0.1", server.getsockname()[1], 1)
        client.connect()
        result = client.read(named_map("dsmr"))
    assert "100 to 224: 1 registers in the response instead of 125" in result.problems
    assert result.registers == {}
