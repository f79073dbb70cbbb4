"""The runtime of every node: the flow, outputs, status, clock and health."""
