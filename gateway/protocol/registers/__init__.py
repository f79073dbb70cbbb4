"""Encode readings as the registers of a map: data types, expressions, registers, maps and snapshots."""
