"""Load, check, compile and print register maps.

Reading order: `load` finds the files of a map and merges them; `file` is the form of one file; `compile` makes the
`RegisterMap` of a server, with `register` for each entry. `table` prints a map.
"""
