"""From a Modbus request and a snapshot to the response."""
