"""One module or folder per type of node. No node imports another; `gateway.service.wiring` connects them."""
