#!/bin/sh
# Runs crossbar, for connectanum-bench to measure: realm1 for anybody, on loopback, over WebSocket and RawSocket. Says
# where it listens and which process does the routing, and runs until Ctrl-C.
#
#   bench/peers/crossbar.sh [WS_PORT [RAWSOCKET_PORT]]
#
# CPU=0 pins it to a CPU, as the suite does with the servers that it starts itself. Crossbar is installed into
# .test/crossbar, once; the configuration lives in a temporary folder.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
. "$root/scripts/lib.sh"

version=26.10.1
ws_port=${1-8090}
tcp_port=${2-8091}
home=$root/.test/crossbar
venv=$home/venv

install_crossbar() {
    if [ "$(cat "$venv/crossbar-version" 2>/dev/null)" = "$version" ]; then
        return
    fi
    say "installing crossbar $version into $venv"
    mkdir -p "$home"
    rm -rf "$venv"
    if ! { python3 -m venv "$venv" && "$venv/bin/pip" install "crossbar==$version"; } >"$home/install.log" 2>&1; then
        tail -n 20 "$home/install.log" >&2
        die "crossbar cannot be installed; see $home/install.log"
    fi
    echo "$version" >"$venv/crossbar-version"
}

config() {
    anonymous='{"anonymous": {"type": "static", "role": "anonymous"}}'
    cat <<EOF
{
  "version": 2,
  "workers": [{
    "type": "router",
    "realms": [{
      "name": "realm1",
      "roles": [{
        "name": "anonymous",
        "permissions": [{
          "uri": "", "match": "prefix", "cache": true,
          "allow": {"call": true, "register": true, "publish": true, "subscribe": true},
          "disclose": {"caller": false, "publisher": false}
        }]
      }]
    }],
    "transports": [
      {
        "type": "websocket",
        "endpoint": {"type": "tcp", "interface": "127.0.0.1", "port": $ws_port},
        "serializers": ["json", "msgpack", "cbor"],
        "auth": $anonymous
      },
      {
        "type": "rawsocket",
        "endpoint": {"type": "tcp", "interface": "127.0.0.1", "port": $tcp_port},
        "serializers": ["json", "msgpack", "cbor"],
        "auth": $anonymous
      }
    ]
  }]
}
EOF
}

# Whether somebody listens on both ports.
listens() {
    python3 -c 'import socket, sys; [socket.create_connection(("127.0.0.1", int(p)), 1) for p in sys.argv[1:]]' \
        "$ws_port" "$tcp_port" 2>/dev/null
}

finish() {
    kill "$node" 2>/dev/null && wait "$node" 2>/dev/null || true
    rm -rf "$folder"
}

install_crossbar
if listens; then
    die "somebody listens on ports $ws_port and $tcp_port already; name others: $0 WS_PORT RAWSOCKET_PORT"
fi
folder=$(mktemp -d)
mkdir "$folder/.crossbar"
config >"$folder/.crossbar/config.json"
pin=
if [ -n "${CPU-}" ]; then
    pin="taskset -c $CPU"
fi
# Word splitting makes a command of it.
$pin "$venv/bin/crossbar" start --cbdir "$folder/.crossbar" --loglevel warn >"$folder/log" 2>&1 &
node=$!
trap finish EXIT
trap 'exit 130' INT TERM

waited=0
until listens; do
    if ! kill -0 "$node" 2>/dev/null || [ "$waited" -ge 60 ]; then
        tail -n 20 "$folder/log" >&2
        die "crossbar does not listen"
    fi
    waited=$((waited + 1))
    sleep 1
done

# The node has started a worker, which does the routing.
worker=$(ps -o pid= --ppid "$node" | tr -d ' ' | head -n 1)
echo "ws   ws://127.0.0.1:$ws_port"
echo "tcp  tcp://127.0.0.1:$tcp_port"
echo "pid  $worker"
echo
echo "connectanum-bench suite \\"
echo "    --peer crossbar-ws=ws://127.0.0.1:$ws_port --peer-pid crossbar-ws=$worker \\"
echo "    --peer crossbar-tcp=tcp://127.0.0.1:$tcp_port,msgpack --peer-pid crossbar-tcp=$worker"
wait "$node"
