"""Status page: shows the flow, registers, telegrams and clients in a browser, and offers the same data as JSON."""

from gateway.nodes.status_page.access import StatusPageSettings
from gateway.nodes.status_page.node import StatusPage

__all__ = ["StatusPage", "StatusPageSettings"]
