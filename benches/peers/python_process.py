"""For each line on stdin: a Process that does nothing, waited for; says how many microseconds that took."""

import multiprocessing
import os
import sys
import time


def nothing():
    pass


if __name__ == "__main__":
    context = multiprocessing.get_context(sys.argv[1])
    # Not sys.stdin: a child that is forked closes it.
    lines = os.fdopen(os.dup(0))
    while lines.readline():
        before = time.perf_counter_ns()
        process = context.Process(target=nothing)
        process.start()
        process.join()
        print((time.perf_counter_ns() - before) / 1000, flush=True)
