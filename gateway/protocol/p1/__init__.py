"""P1: from the bytes of a meter's port to its readings."""
