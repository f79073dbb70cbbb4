"""From readings and a register map to a snapshot of registers."""
