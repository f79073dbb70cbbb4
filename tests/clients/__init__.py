"""What clients make of the responses: each client's requests and conversion, written after its source.

A client is one small file with `CLIENTS`; `test_clients.py` finds it by itself. Only facts are taken from a client's
source: what it asks, how it decodes and which codes it knows.
"""
