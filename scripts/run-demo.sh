#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# `make run`: two real Redis servers on free loopback ports, ringmain in front of them with
# etc/demo.ini. Ctrl-C stops it all; nothing stays behind.
#
# usage: run-demo.sh [--once]
#   --once  start, check, stop: for the tests
#
# shellcheck disable=SC2317 # functions are called by name
set -uo pipefail

cd "$(dirname "$0")/.." || exit 1
ringmain=${RINGMAIN:-build/release/ringmain}
once=''
pids=()
dir=''

case ${1-} in
'') ;;
--once) once=yes ;;
*)
	echo "usage: run-demo.sh [--once]" >&2
	exit 2
	;;
esac

say() { echo "demo: $*"; }

fail() {
	say "$*" >&2
	exit 1
}

# Waits up to five seconds for a command to succeed.
wait_until() {
	for _ in $(seq 100); do
		"$@" && return
		sleep 0.05
	done
	return 1
}

is_gone() { ! kill -0 "$1" 2>/dev/null; }

# Each was started in a session of its own, so that Ctrl-C reaches only this script, and each is
# told to stop once, the last started first.
stop_all() {
	local i pid
	trap '' INT TERM HUP
	for ((i = ${#pids[@]} - 1; i >= 0; i--)); do
		pid=${pids[i]}
		kill -TERM "$pid" 2>/dev/null
		wait_until is_gone "$pid" || kill -KILL "$pid" 2>/dev/null
		wait "$pid" 2>/dev/null
	done
	[ -z "$dir" ] || rm -rf "$dir"
}

# The first port from $1 on that nobody answers on.
free_port() {
	local port
	for ((port = $1; port < $1 + 100; port++)); do
		(exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || break
	done
	echo "$port"
}

ask() { timeout 2 redis-cli -h 127.0.0.1 -p "$@" 2>/dev/null; }

# Is the server on port $1 the process $2, and not one that was there before?
is_redis() {
	[[ $(ask "$1" info server) == *"process_id:$2"$'\r'* ]]
}

is_redis_or_gone() { is_gone "$2" || is_redis "$1" "$2"; }

# Starts a Redis server named $1 on the first free port from $2 on; sets $port.
start_redis() {
	local pid
	port=$2
	for _ in 1 2 3 4 5; do
		port=$(free_port "$port")
		mkdir -p "$dir/$1"
		setsid redis-server --bind 127.0.0.1 --port "$port" --dir "$dir/$1" --save '' \
			--appendonly no --daemonize no --logfile "$dir/$1/log" >/dev/null 2>&1 &
		pid=$!
		pids+=("$pid")
		wait_until is_redis_or_gone "$port" "$pid"
		if is_redis "$port" "$pid"; then
			ask "$port" set whoami "redis $1" >/dev/null
			return
		fi
		port=$((port + 1))
	done
	tail -n 5 "$dir/$1/log" >&2
	fail "redis-server did not start"
}

answers() { is_gone "${pids[-1]}" || [ "$(ask "$listen" ping)" = PONG ]; }

start_ringmain() {
	sed -e "s/:7379/:$listen/" -e "s/:7381/:$port_a/" -e "s/:7382/:$port_b/" \
		etc/demo.ini >"$dir/demo.ini"
	setsid "$ringmain" -c "$dir/demo.ini" &
	pids+=($!)
	wait_until answers
	! is_gone "${pids[-1]}" || fail "ringmain did not start"
	[ "$(ask "$listen" ping)" = PONG ] || fail "no PONG through ringmain on port $listen"
}

# Two sessions, one on each server.
check() {
	local seen
	seen=$(for _ in 1 2; do ask "$listen" get whoami; done | sort | tr '\n' ' ')
	[ "$seen" = "redis a redis b " ] || fail "expected an answer of each server, got: $seen"
	say "both servers answer through ringmain"
}

explain() {
	cat <<-END

	  ringmain listens on 127.0.0.1:$listen, in front of Redis a (port $port_a) and b ($port_b).
	  Its configuration is a copy of etc/demo.ini. In another terminal, try:

	    redis-cli -p $listen ping
	    redis-cli -p $listen get whoami        # again: the servers take turns
	    redis-cli -p $port_a shutdown          # new sessions go to b
	    redis-benchmark -p $listen -q -n 100000 -t ping,set,get
	    $ringmain --dump -c etc/demo.ini

	  Below, a line for each session, when it ends. Ctrl-C stops it all.

	END
}

command -v redis-server >/dev/null ||
	fail "redis-server is missing: scripts/install-deps.sh --for run"
[ -x "$ringmain" ] || fail "$ringmain is missing: make"
trap stop_all EXIT
trap 'exit 0' INT TERM HUP
dir=$(mktemp -d "${TMPDIR:-/tmp}/ringmain-demo.XXXXXX") || exit 1

start_redis a 7381
port_a=$port
start_redis b $((port_a == 7381 ? 7382 : port_a + 1))
port_b=$port
listen=$(free_port 7379)
if ((listen == port_a || listen == port_b || listen > 7380)); then
	listen=$(free_port $((port_b + 1)))
fi
start_ringmain
if [ -n "$once" ]; then
	check
	exit 0
fi
explain
wait "${pids[-1]}"
fail "ringmain ended by itself (exit code $?)"
