"""An output sends to the receivers that are connected, and the wires are read from these connections."""

from __future__ import annotations

import sys
from collections.abc import Callable

from gateway.runtime.flow import Flow, Node
from gateway.runtime.output import Output, Wire


class Plain(Node):
    """A node that does nothing."""

    async def run(self) -> None:
        """Do nothing."""


async def test_receivers_are_called_in_the_order_in_which_they_were_connected() -> None:
    source, target = Plain("source"), Plain("target")
    output: Output[Callable[[int], None]] = Output(source)
    taken: list[tuple[str, int]] = []
    output.connect(target, lambda number: taken.append(("first", number)))
    output.connect(target, lambda number: taken.append(("second", number)))
    for receive in output.receivers:
        receive(7)
    assert taken == [("first", 7), ("second", 7)]


async def test_a_flow_draws_one_wire_for_two_nodes_however_many_outputs_connect_them() -> None:
    a, b, c = Plain("a"), Plain("b"), Plain("c")
    bytes_out: Output[object] = Output(a)
    telegrams: Output[object] = Output(a)
    bytes_out.connect(b, object())
    telegrams.connect(b, object())
    telegrams.connect(c, object())
    assert Flow([a, b, c]).wires == [Wire(a, b), Wire(a, c)]


async def test_a_node_that_is_disconnected_sends_nothing_and_has_no_wires() -> None:
    a, b = Plain("a"), Plain("b")
    output: Output[object] = Output(a)
    output.connect(b, object())
    a.disconnect()
    assert output.receivers == ()
    assert Flow([a, b]).wires == []
    output.connect(b, object())
    assert Flow([a, b]).wires == [Wire(a, b)]


async def test_wires_that_are_looked_at_again_and_again_take_no_memory() -> None:
    source = Plain("source")
    output: Output[object] = Output(source)
    for number in range(12):
        output.connect(Plain(str(number)), object())
    assert len(output.wires) == 12
    before = sys.getallocatedblocks()
    for _ in range(2000):
        assert output.wires
    assert sys.getallocatedblocks() - before < 500
