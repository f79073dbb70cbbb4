"""Coverage-guided fuzzing (atheris, libFuzzer): one module for each place at which bytes of others come in.

    python -m fuzz.framing -max_total_time=60 fuzz/corpus/framing     one target, with the options of libFuzzer
    python -m fuzz.campaign --seconds 60 [TARGET...]                  several, one after the other
    make fuzz SECONDS=60 TARGETS="framing readings"                   the same, with atheris installed if it is not

A target is a module with a function `check(data)`. Its docstring is what holds for any bytes; it raises an exception
where this does not hold. `fuzz/corpus/TARGET/` has inputs that together reach all code that was reached so far.
`tests/fuzz/` runs each target on its corpus, without atheris. Each defect that is found becomes a test.

To take what a campaign has found into the corpus, write it into an empty folder, and put that in place of the old one:

    python -m fuzz.campaign --seconds 600 --corpus /tmp/found framing
    python -m fuzz.framing -merge=1 /tmp/small fuzz/corpus/framing /tmp/found/framing
"""
