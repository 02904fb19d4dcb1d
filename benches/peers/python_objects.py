"""For each line WHAT on stdin: what an operation on an object of multiprocessing costs, in nanoseconds."""

import ctypes
import multiprocessing
import os
import time

MANY, SOME, FEW = 500_000, 5_000, 200
ITEM = b"\7" * 100
context = multiprocessing.get_context("fork")


def each(count, operation):
    before = time.perf_counter_ns()
    for _ in range(count):
        operation()
    return (time.perf_counter_ns() - before) / count


def held(lock):
    def operation():
        lock.acquire()
        lock.release()
    return operation


def locked(value):
    def operation():
        with value.get_lock():
            value.value += 1
    return operation


def pair(here, there):
    """Two processes that begin together; what the first one measures."""
    start = context.Barrier(2)

    def child():
        start.wait()
        there()

    other = context.Process(target=child)
    other.start()
    start.wait()
    measured = here()
    other.join()
    return measured


def event():
    there, back = context.Event(), context.Event()

    def first():
        there.set()
        back.wait()
        back.clear()

    def second():
        there.wait()
        there.clear()
        back.set()

    return pair(lambda: each(SOME, first), lambda: each(SOME, second))


def contend():
    lock = context.Lock()
    return pair(lambda: each(MANY // 4, held(lock)), lambda: each(MANY // 4, held(lock)))


def queue():
    items = context.Queue(1000)
    return pair(lambda: each(MANY // 10, items.get), lambda: each(MANY // 10, lambda: items.put(ITEM)))


def array():
    numbers = context.Array(ctypes.c_float, 1_000_000, lock=False)
    source = (ctypes.c_float * 1_000_000)()
    return each(FEW, lambda: ctypes.memmove(numbers, source, ctypes.sizeof(source)))


MEASURES = {
    "lock": lambda: each(MANY, held(context.Lock())),
    "rlock": lambda: each(MANY, held(context.RLock())),
    "semaphore": lambda: each(MANY, held(context.Semaphore(1))),
    "value-locked": lambda: each(MANY, locked(context.Value("q", 0))),
    "contend": contend,
    "event": event,
    "queue": queue,
    "array": array,
}

if __name__ == "__main__":
    # Not sys.stdin: a child that is forked closes it.
    lines = os.fdopen(os.dup(0))
    while line := lines.readline():
        measure = MEASURES.get(line.strip())
        print(measure() if measure else 0, flush=True)
