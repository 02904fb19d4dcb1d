#!/usr/bin/env bash
# Runs a test binary, and ends it when it is over its time: cargo calls it (.cargo/tests.toml). A test that hangs then fails the
# run, and libtest has named it after a minute.
#
#   scripts/limit-tests.sh BINARY [ARGS]
#
# SANDHOG_TEST_SECONDS is the limit of a binary, 0 is none. The slowest takes half a minute on an idle machine.
set -euo pipefail

# A shell's background job ignores these, and so would all that tests start (execve(2)); but tests send them.
heard=(env --default-signal=HUP,INT,QUIT,TERM)

# The facts have limits of their own, one for each.
case $1 in */all-*) exec "${heard[@]}" "$@" ;; esac

limit=${SANDHOG_TEST_SECONDS:-600}
# In the foreground: the binary stays in the terminal's process group, so that Ctrl-C reaches it.
status=0
timeout --foreground --kill-after=10 "$limit" "${heard[@]}" "$@" || status=$?
case $status in
124 | 137)
  echo "$1 was ended: over $limit s, or killed. Above, libtest names what \"has been running for over 60 seconds\"." >&2
  ;;
esac
exit "$status"
