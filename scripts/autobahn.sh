#!/usr/bin/env bash
# Runs Autobahn|Testsuite's fuzzing client against examples/ws_echo.rs and compares the verdict on each case with
# tests/autobahn-expected.json. Cases: 1-5, 7, 10, and 6 without 6.4 (fail-fast UTF-8; we check a message when it is
# whole). 9 measures speed and 12-13 compression, which we do not offer.
#
#   scripts/autobahn.sh             run and compare
#   scripts/autobahn.sh --update    run and write the expected file
#
# The testsuite needs Python 2.7: $PYTHON2, python2.7 on PATH, or one that pyenv has. Without any the script says so
# and skips (exit code 77). Everything it installs or writes goes to .test/autobahn.
set -euo pipefail
cd "$(dirname "$0")/.."

expected=$PWD/tests/autobahn-expected.json
requirements=$PWD/tests/autobahn-requirements.txt
work=$PWD/.test/autobahn
venv=$work/venv

find_python2() {
  local root candidate
  root=$(pyenv root 2>/dev/null) || root=
  for candidate in "${PYTHON2:-}" "$(command -v python2.7 || true)" ${root:+"$root"/versions/2.7*/bin/python}; do
    # A pyenv shim is on PATH even where it leads nowhere: ask it.
    if [[ $candidate ]] && "$candidate" -c 'import sys; sys.exit(sys.version_info[:2] != (2, 7))' 2>/dev/null; then
      echo "$candidate"
      return
    fi
  done
  return 1
}

is_installed() {
  cmp -s "$requirements" "$venv/requirements.txt"
}

install_testsuite() {
  rm -rf "$venv" "$work/bootstrap"
  # The last virtualenv that knows Python 2.7.
  "$python2" -m pip install --target "$work/bootstrap" virtualenv==20.15.1 &&
    PYTHONPATH=$work/bootstrap "$python2" -m virtualenv "$venv" &&
    "$venv/bin/python" -m pip install --no-deps -r "$requirements" &&
    cp "$requirements" "$venv/requirements.txt"
}

if ! python2=$(find_python2); then
  echo "autobahn: SKIPPED, there is no Python 2.7 (set PYTHON2, or: pyenv install 2.7.18)"
  exit 77
fi
mkdir -p "$work"
if ! is_installed && ! install_testsuite > "$work/install.log" 2>&1; then
  tail -n 20 "$work/install.log" >&2
  echo "autobahn: installing the testsuite failed, see $work/install.log" >&2
  exit 1
fi

cargo build --quiet --example ws_echo
coproc echo_server { exec "${CARGO_TARGET_DIR:-target}/debug/examples/ws_echo" 127.0.0.1:0; }
server_pid=$!
trap 'kill "$server_pid" 2>/dev/null && wait "$server_pid" 2>/dev/null || true' EXIT
read -r -t 10 url <&"${echo_server[0]}" || { echo "autobahn: ws_echo did not start" >&2; exit 1; }

rm -rf "$work/reports"
cat > "$work/spec.json" <<SPEC
{
  "servers": [{"agent": "ws_echo", "url": "$url"}],
  "cases": ["1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "10.*"],
  "exclude-cases": ["6.4.*"],
  "exclude-agent-cases": {},
  "outdir": "$work/reports"
}
SPEC
if ! timeout 300 "$venv/bin/python" -c 'from autobahntestsuite.wstest import run; run()' \
  --mode fuzzingclient --spec "$work/spec.json" > "$work/wstest.log" 2>&1; then
  tail -n 20 "$work/wstest.log" >&2
  echo "autobahn: the fuzzing client did not finish, see $work/wstest.log" >&2
  exit 1
fi

"$venv/bin/python" - "$work/reports/index.json" "$expected" "${1:-}" <<'PYTHON'
from __future__ import print_function
import json, sys
from collections import OrderedDict

report, expected_file, mode = sys.argv[1:]
cases = json.load(open(report))["ws_echo"]
by_number = lambda case: [int(part) for part in case.split(".")]
found = OrderedDict(
    (str(case), {"behavior": str(cases[case]["behavior"]), "behaviorClose": str(cases[case]["behaviorClose"])})
    for case in sorted(cases, key=by_number))

passed = {"OK", "NON-STRICT", "INFORMATIONAL"}
failed = [case for case in found if not passed.issuperset(found[case].values())]
if mode == "--update" and not failed:
    lines = ['  "%s": %s' % (case, json.dumps(found[case], sort_keys=True)) for case in found]
    open(expected_file, "w").write("{\n" + ",\n".join(lines) + "\n}\n")
expected = json.load(open(expected_file))
different = [case for case in sorted(set(found) | set(expected), key=by_number)
             if found.get(case) != expected.get(case)]
for case in sorted(set(failed + different), key=by_number):
    print("autobahn: case %s: %s, expected %s" % (case, found.get(case), expected.get(case)))
if failed or different:
    sys.exit("autobahn: %d failed, %d differ from %s" % (len(failed), len(different), expected_file))
print("autobahn: %d cases, none failed, all as expected" % len(found))
PYTHON
