"""What every node runs on: the flow, its clock and its health."""
