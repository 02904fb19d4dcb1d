# Fetches what makes components of Python and of JavaScript: functions for scripts that source this, from the repository's root.

# Pinned: it has CPython inside.
python_componentizer=componentize-py==0.25.1

fetch_python() { # FOLDER PACKAGE: once for each version
  [ -e "$1/$2" ] && return
  python3 -m pip --version >/dev/null 2>&1 || {
    echo 'fetching it needs pip. On Debian: sudo apt-get install python3-pip' >&2
    exit 1
  }
  echo "fetching $2" >&2
  rm -rf "$1"
  python3 -m pip install --quiet --disable-pip-version-check --root-user-action ignore --no-compile --no-deps \
    --target "$1" "$2"
  touch "$1/$2"
}

# Pinned by its lock file. It has a JavaScript engine inside, compiled to WebAssembly.
fetch_js_componentizer() { # FOLDER
  cmp --silent jobs/js/package-lock.json "$1/fetched" && return
  npm --version >/dev/null 2>&1 || {
    echo 'building it needs Node and npm. On Debian: sudo apt-get install nodejs npm' >&2
    exit 1
  }
  echo 'fetching componentize-js' >&2
  rm -rf "$1"
  mkdir -p "$1"
  cp jobs/js/package.json jobs/js/package-lock.json "$1/"
  npm ci --prefix "$1" --ignore-scripts --no-audit --no-fund --loglevel error >/dev/null
  cp jobs/js/package-lock.json "$1/fetched"
}
