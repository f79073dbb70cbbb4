"""The palette: one file per type of node. Nodes know nothing of each other; `gateway.service.wiring` connects them."""
