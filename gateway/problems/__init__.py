"""Problems as data: what is wrong, where, and what to do about it. Imports nothing else of the gateway."""
