"""Memory that is returned to the system."""

from __future__ import annotations

import subprocess
import sys

import pytest

FREED = """
import ctypes
from pathlib import Path
from gateway.runtime.memory import settle

def resident_kb() -> int:
    line = next(each for each in Path("/proc/self/status").read_text().splitlines() if each.startswith("VmRSS"))
    return int(line.split()[1])

pieces = [bytearray(1000) for _ in range(20_000)]
last = pieces[-1]
del pieces
before = resident_kb()
settle()
print(hasattr(ctypes.CDLL(None), "malloc_trim"), before - resident_kb())
"""


HEAPS = """
import ctypes
from threading import Barrier, Thread
from gateway.runtime.memory import share_heap

library = ctypes.CDLL(None)
if not hasattr(library, "mallopt"):
    raise SystemExit("no option")
share_heap()
all_run = Barrier(8)
threads = [Thread(target=lambda: (all_run.wait(), bytearray(1000), all_run.wait())) for _ in range(8)]
for each in threads:
    each.start()
for each in threads:
    each.join()
library.malloc_stats()
"""


THRESHOLD = """
import gc
from gateway.runtime.memory import collect_seldom

of_python = gc.get_threshold()
collect_seldom(1)
of_one = gc.get_threshold()
collect_seldom(1000)
of_many = gc.get_threshold()[0]
collect_seldom(1)
print(of_one == of_python, of_many, gc.get_threshold() == of_python, gc.isenabled())
"""


def test_the_garbage_collector_looks_less_often_at_the_telegrams_of_many_meters() -> None:
    output = subprocess.run([sys.executable, "-c", THRESHOLD], check=True, capture_output=True, text=True).stdout
    assert output.split() == ["True", "50000", "True", "True"]


def test_all_threads_share_one_heap() -> None:
    done = subprocess.run([sys.executable, "-c", HEAPS], check=False, capture_output=True, text=True)
    if "no option" in done.stderr:
        pytest.skip("this C library has one heap")
    assert done.returncode == 0
    assert done.stderr.count("Arena ") == 1


def test_free_memory_is_returned_where_the_c_library_can() -> None:
    output = subprocess.run([sys.executable, "-c", FREED], check=True, capture_output=True, text=True).stdout
    can_trim, returned_kb = output.split()
    if can_trim != "True":
        pytest.skip("this C library returns no memory on request")
    assert int(returned_kb) > 10_000
