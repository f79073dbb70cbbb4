"""Status page: shows the flow, the registers, the telegrams and the clients to people, and the same to programs."""

from gateway.nodes.status_page.node import StatusPage
from gateway.nodes.status_page.settings import StatusPageSettings

__all__ = ["StatusPage", "StatusPageSettings"]
