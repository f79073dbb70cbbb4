"""A gateway from the P1 port of a smart meter to Modbus."""
