"""Encrypted telegrams pass as they came, whether the gateway can read them or not, or in clear text by choice."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.config import load_config, load_maps
from gateway.nodes.p1_port import P1Port
from gateway.nodes.passthrough import Passthrough
from gateway.runtime.clock import now
from gateway.service.wiring import Wiring
from tests.ciphering import KEY, encrypted, telegram_at
from tests.nodes.passthrough_bench import MODES, Bench, Mode, connect
from tests.waiting import running

FRAME = b"\xdb\x08SIM00001\x82\x01\x00\x30" + bytes(range(255))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("piece_bytes", [1, 64, 4096])
async def test_encrypted_telegrams_pass_whole(mode: Mode, piece_bytes: int) -> None:
    bench = Bench()
    passthrough = bench.offer(mode)
    async with running(*bench.passthroughs):
        reader = await connect(passthrough)
        for _ in range(3):
            bench.feed(FRAME, piece_bytes)
            assert await reader.gets(FRAME)
    assert bench.meter.accepted == 0


async def test_the_rest_of_an_encrypted_telegram_reaches_nobody_in_the_mode_of_whole_ones() -> None:
    bench = Bench()
    passthrough = bench.offer(Mode.TELEGRAMS)
    async with running(*bench.passthroughs):
        reader = await connect(passthrough)
        bench.feed(FRAME[100:])
        bench.lose_line()
        bench.feed(FRAME[:100])
        bench.lose_line()
        bench.feed(FRAME)
        assert await reader.gets(FRAME)
    assert passthrough.telegrams_sent == 1


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("content", ["encrypted", "decrypted"])
async def test_with_a_key_the_readers_get_cipher_or_clear_text_by_choice(
    tmp_path: Path, mode: Mode, content: str
) -> None:
    (tmp_path / "key").write_text(KEY.hex())
    path = tmp_path / "gateway.yaml"
    path.write_text(
        "meter: {port: /dev/no-such-device, decryption: {key_file: key}}\nmodbus: [{listen: '127.0.0.1:0'}]\n"
        f"passthrough: [{{listen: '127.0.0.1:0', mode: {mode}, content: {content}}}]\n"
    )
    config = load_config(path, {})
    wiring = Wiring(config, load_maps(config, tmp_path), tmp_path)
    nodes = {node.name: node for node in wiring.flow.nodes}
    (passthrough,) = (node for node in nodes.values() if isinstance(node, Passthrough))
    port = nodes["meter/port"]
    assert isinstance(port, P1Port)
    async with running(passthrough, nodes["meter/decryption"]):
        reader = await connect(passthrough)
        for number in range(3):
            frame = encrypted(telegram_at(number), 1 + number)
            for at in range(0, len(frame), 100):
                for sink in port.line_bytes.receivers:
                    sink.receive(frame[at : at + 100], now())
            assert await reader.gets(frame if content == "encrypted" else telegram_at(number))
    assert wiring.meters["meter"].accepted == 3
