"""Typed outputs of nodes, and the one way to connect them.

A node sends by calling each of an output's `receivers`. Only `connect` adds a receiver, and it names the node
that the receiver works for. The wires of a flow are read from these connections, so the drawing of the flow
cannot differ from the way that the data takes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from gateway.runtime.flow import Node

T = TypeVar("T")
"""Type of a receiver: a callable, or an object with the methods that the node calls."""


class ByteSink(Protocol):
    """A receiver of a line's bytes."""

    def receive(self, data: bytes, arrived: float) -> None:
        """Take bytes, with the moment of their arrival on the gateway's clock."""

    def line_lost(self) -> None:
        """Forget what has begun: the line is closed, and the next bytes do not continue the last ones."""


@dataclass(frozen=True, slots=True)
class Wire:
    """A connection as it is drawn: what `source` sends goes into `target`."""

    source: Node
    target: Node


class Output(Generic[T]):
    """One kind of data that a node sends, with its receivers."""

    __slots__ = ("_source", "_targets", "receivers")

    def __init__(self, source: Node) -> None:
        """Add an output to `source`."""
        self._source = source
        self._targets: tuple[Node, ...] = ()
        self.receivers: tuple[T, ...] = ()
        """The receivers, in the order in which they were connected."""
        source.outputs.append(self)

    def connect(self, node: Node, receiver: T) -> None:
        """Send to `receiver`, which works for `node`, after the receivers that are connected already."""
        self.receivers += (receiver,)
        self._targets += (node,)

    def disconnect(self) -> None:
        """Remove all receivers."""
        self.receivers, self._targets = (), ()

    @property
    def wires(self) -> tuple[Wire, ...]:
        """Return one wire per receiver."""
        # From a list: Python keeps the memory of up to 2,000 tuples of each length that it made from a generator.
        return tuple([Wire(self._source, target) for target in self._targets])
