"""The pure core: bytes and values, without I/O, clock or log."""
