"""Clients cannot take the descriptors that the line of a meter needs."""

from __future__ import annotations

import socket
import time
from contextlib import ExitStack
from pathlib import Path

from tests.conftest import own_telegram
from tests.peers.harness import LIMIT_S, Gateway, free_port, running, wait_until

TELEGRAM = own_telegram("v50_sagemcom-t210d")
DESCRIPTORS = 64
WITH_FEW = ["/bin/sh", "-c", f'ulimit -n {DESCRIPTORS}; exec "$0" "$@"']
IDLE_PER_LISTENER = 40
ACCEPTED_AGAIN_S = 1.5
"""Longer than the second for which asyncio accepts nobody once the descriptors are used up."""


def test_the_line_of_a_meter_opens_again_while_idle_clients_fill_all_listeners(tmp_path: Path) -> None:
    page = free_port()
    with ExitStack() as open_sockets:
        meter = open_sockets.enter_context(socket.create_server(("127.0.0.1", 0)))
        meter.settimeout(LIMIT_S)
        address = meter.getsockname()
        gateway = Gateway(
            tmp_path,
            {"host": address[0], "port": address[1]},
            passthrough=[{}],
            settings={"status_page": {"listen": f"127.0.0.1:{page}"}},
            prefix=WITH_FEW,
        )
        open_sockets.enter_context(running(gateway))
        gateway.wait_for_port(page)
        client = open_sockets.enter_context(gateway.client())
        line, _ = meter.accept()
        line.sendall(TELEGRAM)
        wait_until(lambda: client.uint32(4) == 1, "the first telegram")
        for _ in range(IDLE_PER_LISTENER):
            for port in (gateway.port, *gateway.passthrough_ports, page):
                open_sockets.enter_context(socket.create_connection(("127.0.0.1", port), LIMIT_S))
        gateway.wait_for_log("few file descriptors are left: new clients are refused")
        # The meter's host is gone for a while, in which asyncio accepts the clients that wait.
        meter.close()
        line.close()
        gone = time.monotonic()
        wait_until(lambda: time.monotonic() > gone + ACCEPTED_AGAIN_S, "clients to take what is free")
        meter = open_sockets.enter_context(socket.create_server(address))
        meter.settimeout(LIMIT_S)
        line, _ = meter.accept()
        open_sockets.enter_context(line)
        line.sendall(TELEGRAM)
        wait_until(lambda: client.uint32(4) == 2, "a telegram over the new connection")
        assert gateway.open_files() < DESCRIPTORS
        assert len(gateway.log.splitlines()) < 30
