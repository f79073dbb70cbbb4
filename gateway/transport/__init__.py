"""Listening, clients, TLS, sockets and pseudo terminals."""
