"""For each line COUNT on stdin: so many tiny tasks mapped over two processes, from the start of the pool to its last answer;
says how many microseconds that took. The argument says how: `each` (Pool.map with chunksize 1), `default` (its own chunks),
`fresh` (a process for each task), `executor` (ProcessPoolExecutor.map)."""

import concurrent.futures
import multiprocessing
import os
import sys
import time


def handle(name):
    return f"Hello, {name}!"


def mapped(how, names):
    context = multiprocessing.get_context("fork")
    if how == "executor":
        with concurrent.futures.ProcessPoolExecutor(2, mp_context=context) as executor:
            return list(executor.map(handle, names))
    with context.Pool(2, maxtasksperchild=1 if how == "fresh" else None) as pool:
        return pool.map(handle, names, chunksize=None if how == "default" else 1)


if __name__ == "__main__":
    # Not sys.stdin: a child that is forked closes it.
    lines = os.fdopen(os.dup(0))
    while line := lines.readline():
        names = [str(number) for number in range(int(line.strip() or 1))]
        before = time.perf_counter_ns()
        mapped(sys.argv[1], names)
        print((time.perf_counter_ns() - before) / 1000, flush=True)
