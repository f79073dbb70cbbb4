"""What clients make of the responses: each client's requests and conversion, written after its source.

A client that is a table of requests is one small file with `CLIENTS`; `test_clients.py` finds it by itself and checks
it with `houses.py`. A client that computes more, such as a set-up of its own or a rounding in steps, is a function in a
`test_*.py`; `households.check` runs it with telegrams. Only facts are taken from a client's source: what it asks, how
it decodes and which codes it knows.
"""
