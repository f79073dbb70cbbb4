"""Listeners, clients, TLS, sockets and serial devices, for telegrams and registers alike."""
