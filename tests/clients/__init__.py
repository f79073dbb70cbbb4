"""What clients make of the responses: each client's requests and conversion, written after its source.

A client is a table of requests, with the quantities in them and the codes that it knows, in `CLIENTS` of a small file.
`test_clients.py` finds it by itself, and compares what it has in the end with the readings of `households.py`. Only
facts are taken from a client's source: what it asks, how it decodes and which codes it knows.
"""
