"""Status page: shows the flow, registers, telegrams and clients in a browser, and offers the same data as JSON."""
