"""Passthrough: serves a meter's telegrams over TCP to any number of readers, as a ser2net serves its port.

In: bytes of the line, accepted telegrams. Out: where it listens.

No reader delays another one. What a reader does not take is kept for it up to `QUEUE_BYTES`. After that, it misses
whole telegrams, or, in the raw mode, is disconnected. A reader may speak telnet, as those of a ser2net in telnet mode.
"""

from gateway.nodes.passthrough.node import Passthrough, WritableLine
from gateway.nodes.passthrough.settings import Mode, PassthroughSettings

__all__ = ["Mode", "Passthrough", "PassthroughSettings", "WritableLine"]
