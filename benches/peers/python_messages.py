"""For each line KIND COUNT BYTES on stdin: so many messages of so many bytes between this process and a child, by the
means that the argument names, `pipe` (its bytes as they are) or `queue`; says how many microseconds that took.
KIND: echo (there and back, one after the other), sink (there, and one back at the end), flood (from the child)."""

import multiprocessing
import os
import pickle
import sys
import time


def two_pipes():
    ours, theirs = multiprocessing.Pipe()
    return (ours.send_bytes, ours.recv_bytes), (theirs.send_bytes, theirs.recv_bytes)


def two_queues():
    there, back = multiprocessing.Queue(), multiprocessing.Queue()
    return (there.put, back.get), (back.put, there.get)


def serve(send, receive):
    while True:
        kind, count, size = pickle.loads(receive())
        if kind == "echo":
            for _ in range(count):
                send(receive())
        elif kind == "sink":
            send(pickle.dumps(sum(len(receive()) for _ in range(count))))
        else:
            body = b"x" * size
            for _ in range(count):
                send(body)


def traffic(send, receive, kind, count, size):
    body = b"x" * size
    before = time.perf_counter_ns()
    send(pickle.dumps((kind, count, size)))
    if kind == "echo":
        for _ in range(count):
            send(body)
            receive()
    elif kind == "sink":
        for _ in range(count):
            send(body)
        receive()
    else:
        for _ in range(count):
            receive()
    return (time.perf_counter_ns() - before) / 1000


if __name__ == "__main__":
    ours, theirs = two_pipes() if sys.argv[1] == "pipe" else two_queues()
    # Not sys.stdin: a child that is forked closes it.
    lines = os.fdopen(os.dup(0))
    multiprocessing.get_context("fork").Process(target=serve, args=theirs, daemon=True).start()
    while line := lines.readline():
        kind, *numbers = line.split() or [None]
        print(traffic(*ours, kind, *map(int, numbers)) if kind else 0, flush=True)
