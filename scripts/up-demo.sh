#!/usr/bin/env bash
# Brings up the services of jobs/services with a daemon of their own, shows a crash and its back-off, a recycling and a
# scheduled run, and takes all of it down again. Every command is printed as one would type it.
#
#   scripts/up-demo.sh SANDHOG TARGET [--keep]        --keep: stay up until Ctrl-C
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

sandhog=${1:?"which sandhog"}
target=${2:?"which target folder"}
keep=${3:-}
case $keep in '' | --keep) ;; *)
  echo "up-demo: there is no \"$keep\"; leave it out, or write --keep" >&2
  exit 2
  ;;
esac

# Short paths where they are the same: what is printed should fit on a line.
sandhog=${sandhog#"$PWD"/} target=${target#"$PWD"/}
out=$target/up-demo
stock=$target/services
manifest=jobs/services/sandhog.toml
steps=7
step=0

if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then bold=$'\e[1m' dim=$'\e[2m' plain=$'\e[0m'; else bold='' dim='' plain=''; fi

title() {
  step=$((step + 1))
  printf '\n%s[%d/%d] %s%s\n' "$bold" "$step" "$steps" "$1" "$plain"
}

show() { # ARGUMENTS...: of sandhog; prints the command and runs it
  printf '%s$ %s %s%s\n' "$dim" "$sandhog" "$*" "$plain"
  "$sandhog" "$@" </dev/null
}

# Until the socket is there, or has gone.
wait_for_socket() { # TEST: -S or ! -S
  for _ in {1..50}; do
    test "$@" "$run/control.sock" && return 0
    sleep 0.1
  done
  return 1
}

# Whatever happens, nothing stays: neither the daemon nor what it wrote.
take_down() {
  local code=$?
  trap '' INT TERM HUP
  # A daemon that was just being started is ended, too.
  if [ "$daemon" ] && wait_for_socket -S; then
    timeout 30 "$sandhog" down all --daemon >/dev/null </dev/null || code=1
  fi
  wait_for_socket ! -S || code=1
  rm -rf "$out" "$stock" "$run"
  exit "$code"
}

if [ -e "$out/env" ]; then
  echo "up-demo: it is up already: another terminal shows it, or one was closed too soon. End it by:" >&2
  echo "  (. $out/env; sandhog down all --daemon); rm -rf $out $stock" >&2
  exit 1
fi
rm -rf "$out" "$stock"
mkdir -p "$stock"
mkdir -p -m 700 "$out" "$out/state" "$out/run" "$out/cache"
here=$(realpath "$out")
run=$here/run
# A socket's path has at most 107 bytes.
[ ${#run} -lt 90 ] || run=$(mktemp -d)
daemon=
trap take_down EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
# Not those of the person who runs this.
export SANDHOG_STATE_DIR=$here/state SANDHOG_RUNTIME_DIR=$run SANDHOG_CACHE_DIR=$here/cache
{
  printf 'export %s=%q\n' SANDHOG_STATE_DIR "$here/state" SANDHOG_RUNTIME_DIR "$run" SANDHOG_CACHE_DIR "$here/cache"
  printf 'export PATH=%q:$PATH\n' "$(realpath "$(dirname "$sandhog")")"
} >"$out/env"

# The manifest's paths are those of a target folder in its usual place.
if [ "$(realpath "$target")" != "$(realpath -m target)" ]; then
  sed "s|\"\.\./\.\./target/|\"$(realpath "$target")/|" "$manifest" >"$out/sandhog.toml"
  sed -i '1i name = "services"' "$out/sandhog.toml"
  manifest=$out/sandhog.toml
fi

watch_it() {
  printf '%s' "$dim"
  cat <<END
  # In another terminal, in this folder:
  . $out/env                  # this daemon, not yours
  sandhog ps                             # the table once
  sandhog monit                          # live: CPU, memory, logs; s stops, r restarts, q ends
  sandhog logs -f                        # what the jobs write
  sandhog events -f                      # what happens to them
  sandhog send teller 25 --wait 1s       # a message to both instances
  sandhog reload teller                  # one after the other, the new one ready first
  sandhog stop shop                      # it stays on the list; sandhog start shop
  sandhog down all                       # stop and forget them
END
  printf '%s' "$plain"
}

until_all_has_happened() {
  local line crashed='' leaked='' recycled='' chimed=''
  printf '%s$ %s events -f%s\n' "$dim" "$sandhog" "$plain"
  while IFS= read -r line; do
    printf '%s\n' "$line"
    case $line in
      *unlucky*'restarts in'*) crashed=1 ;;
      *hoarder*'is replaced'*) leaked=1 ;;
      *hoarder*': stopped'*) recycled=$leaked ;;
      *chime*completed*) chimed=1 ;;
    esac
    [ "$crashed$recycled$chimed" = 111 ] && return 0
  done < <(timeout --foreground 60 "$sandhog" events -f -n 100 </dev/null 2>/dev/null)
  return 1
}

title 'up --dry-run: what would change; nothing is started yet'
show up --dry-run "$manifest"

title 'up: starts the daemon, then the jobs in their order, and waits until they are ready'
daemon=yes
show up "$manifest"
show ps

title 'What to type to watch it live'
watch_it

title 'A crash with its pause, a recycling and a scheduled run, as they come'
if ! until_all_has_happened; then
  echo 'up-demo: within a minute not all of it has happened' >&2
  exit 1
fi
show ps

title 'Messages, and a reload: the new one is ready before the old one goes'
show send teller 25 --wait 2s
show reload teller
show logs teller -n 6

title 'Stopped in reverse order: shop goes before stock, on which it depends'
show stop stock shop
show logs stock shop -n 6

if [ "$keep" ] && [ -t 0 ]; then
  show start stock shop
  watch_it
  printf '\nIt stays up until you press Ctrl-C here. What happens meanwhile:\n'
  trap : INT
  "$sandhog" events -f -n 0 || true
  trap 'exit 130' INT
fi

title 'down: stops and forgets all of them, and ends the daemon'
show down "$manifest"
show ps
show down --daemon
daemon=
