"""Looks at a text, and then at what a sealed Python can and cannot reach."""

import collections
import json
import re
import sys


def report(path):
    with open(path, encoding="utf-8") as file:
        words = re.findall(r"[a-z']+", file.read().lower())
    lengths = collections.Counter(map(len, words))
    longest = max(words, key=len)
    return {
        "words": len(words),
        "longest": longest,
        "mean_length": round(sum(length * count for length, count in lengths.items()) / len(words), 2),
    }


def attempt(name, act):
    try:
        print(f"{name}: {act()!r}")
    except Exception as error:
        print(f"{name}: refused ({type(error).__name__}: {error})")


def connect():
    import socket

    return socket.create_connection(("127.0.0.1", 80), timeout=1)


print("Python", sys.version.split()[0], "on", sys.platform)
print(json.dumps(report(sys.argv[1])))
attempt("read a file of the system", lambda: open("/etc/passwd").read())
attempt("write beside the text", lambda: open("/texts/mine.txt", "w").write("mine"))
attempt("connect to this machine", connect)
attempt("start a program", lambda: __import__("subprocess").run(["true"]))
