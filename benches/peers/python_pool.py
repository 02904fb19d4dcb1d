"""For each line COUNT on stdin: so many tasks, one after the other, in a pool of one process; says how many microseconds
they took. The argument says whether the process is a `fresh` one for each task."""

import multiprocessing
import os
import sys
import time


def handle(name):
    return f"Hello, {name}!"


if __name__ == "__main__":
    lines = os.fdopen(os.dup(0))
    tasks = 1 if sys.argv[1] == "fresh" else None
    pool = multiprocessing.get_context("fork").Pool(1, maxtasksperchild=tasks)
    while line := lines.readline():
        before = time.perf_counter_ns()
        for _ in range(int(line.strip() or 1)):
            pool.apply(handle, ("Ada",))
        print((time.perf_counter_ns() - before) / 1000, flush=True)
