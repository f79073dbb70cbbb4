"""From the bytes of a P1 port to a meter's readings."""
