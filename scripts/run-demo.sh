#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# `make run`: what ringmain is for, with two real Redis servers on free loopback ports and
# etc/demo.ini. A client asks all the time, over a connection of its own each time, and counts
# errors; a server is killed between two requests (one that it has is lost with it, whatever stands
# in front) and comes back. On a terminal it then goes on until Ctrl-C; without
# one, or with --once, it ends. Nothing stays behind. The exit status is 1 if there were errors.
#
# usage: run-demo.sh [--once]
#
# shellcheck disable=SC2317 # functions are called by name
set -uo pipefail

cd "$(dirname "$0")/.." || exit 1
ringmain=${RINGMAIN:-build/release/ringmain}
requests=200 # of each part
once=''
pids=()
ringmain_pid=''
dir=''

case ${1-} in
'') [ -t 1 ] || once=yes ;;
--once) once=yes ;;
*)
	echo "usage: run-demo.sh [--once]" >&2
	exit 2
	;;
esac

fail() {
	echo "demo: $*" >&2
	exit 1
}

# Waits up to a minute for a command to succeed: the machine may have other work.
wait_until() {
	for _ in $(seq 1200); do
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

ask() { timeout 5 redis-cli -h 127.0.0.1 -p "$@" 2>/dev/null; }

# ---- servers ----

# Is the server on port $1 the process $2, and not one that was there before?
is_redis() {
	[[ $(ask "$1" info server) == *"process_id:$2"$'\r'* ]]
}

is_redis_or_gone() { is_gone "$2" || is_redis "$1" "$2"; }

# Starts a Redis server named $1 on port $2; sets $pid.
launch_redis() {
	mkdir -p "$dir/$1"
	setsid redis-server --bind 127.0.0.1 --port "$2" --dir "$dir/$1" --save '' \
		--appendonly no --daemonize no --logfile "$dir/$1/log" >/dev/null 2>&1 &
	pid=$!
	pids+=("$pid")
	wait_until is_redis_or_gone "$2" "$pid"
	is_redis "$2" "$pid" && ask "$2" set whoami "redis $1" >/dev/null
}

# The same on the first free port from $2 on; sets $port, too.
start_redis() {
	port=$2
	for _ in 1 2 3 4 5; do
		port=$(free_port "$port")
		launch_redis "$1" "$port" && return
		port=$((port + 1))
	done
	tail -n 5 "$dir/$1/log" >&2
	fail "redis-server did not start"
}

# ---- ringmain ----

answers() { is_gone "$ringmain_pid" || [ "$(ask "$listen" ping)" = PONG ]; }

start_ringmain() {
	sed -e "s/:7379/:$listen/" -e "s/:7381/:$port_a/" -e "s/:7382/:$port_b/" \
		-e "s/:9180/:$page/" etc/demo.ini >"$dir/demo.ini"
	RUNTIME_DIRECTORY=$dir setsid "$ringmain" -c "$dir/demo.ini" 2>"$dir/log" &
	ringmain_pid=$!
	pids+=("$ringmain_pid")
	wait_until answers
	! is_gone "$ringmain_pid" || { cat "$dir/log" >&2; fail "ringmain did not start"; }
	[ "$(ask "$listen" ping)" = PONG ] || fail "no PONG through ringmain on port $listen"
}

# ---- the client ----

errors=0

# Asks whichever server ringmain chooses for its name; sets $who.
request() {
	who=''
	{ exec 3<>"/dev/tcp/127.0.0.1/$listen"; } 2>/dev/null || return
	{ printf 'GET whoami\r\n' >&3; } 2>/dev/null && read -r -t 10 -u 3 _ &&
		read -r -t 10 -u 3 who
	exec 3>&- 3<&-
	who=${who%$'\r'}
}

# Counts one request in $a, $b or $errors.
count_request() {
	request
	case $who in
	'redis a') a=$((a + 1)) ;;
	'redis b') b=$((b + 1)) ;;
	*) errors=$((errors + 1)) ;;
	esac
}

# Makes requests, and says what became of them.
traffic() {
	local i a=0 b=0
	for ((i = 0; i < requests; i++)); do
		count_request
	done
	printf '   %d requests: %d answered by a, %d by b; errors so far: %d\n' \
		"$requests" "$a" "$b" "$errors"
}

# The other requests meanwhile are counted as all are.
until_a_answers() {
	local a=0 b=0
	until ((a > 0)) || ((errors > 0)); do
		((SECONDS < $1)) || fail "redis a gets no sessions"
		count_request
		sleep 0.02
	done
}

# Until Ctrl-C, so that there is something to see.
go_on() {
	local a=0 b=0
	while ! is_gone "$ringmain_pid"; do
		count_request
		printf '\r   requests: %d answered by a, %d by b; errors: %d ' "$a" "$b" "$errors"
		sleep 0.05
	done
	echo
	fail "ringmain has ended by itself; its log: $(tail -n 1 "$dir/log")"
}

# ---- the show ----

show_failure() {
	echo "1. Two Redis servers behind 127.0.0.1:$listen: a on port $port_a, b on $port_b."
	traffic
	kill -KILL "${pids[0]}"
	{ wait "${pids[0]}"; } 2>/dev/null
	pids=("${pids[@]:1}")
	echo "2. Redis a was just killed, between two requests; nobody has told ringmain."
	traffic
	launch_redis a "$port_a" || fail "redis-server did not start again"
	until_a_answers $((SECONDS + 60))
	echo "3. Redis a is back, and gets sessions again as soon as a check has found it."
	traffic
}

show_mistake() {
	echo "4. A mistake in the configuration: nothing starts, and a reload changes nothing."
	sed 's/= roundrobin$/= roundrobbin/' "$dir/demo.ini" >"$dir/mistake.ini"
	(program=$(realpath "$ringmain") && cd "$dir" && "$program" -t -c mistake.ini 2>&1) |
		fold -s -w 96 | sed 's/^/   /'
}

page_answers() {
	local status
	{ exec 3<>"/dev/tcp/127.0.0.1/$page"; } 2>/dev/null || return
	printf 'GET / HTTP/1.0\r\n\r\n' >&3
	read -r -t 10 -u 3 status
	exec 3>&- 3<&-
	[[ $status == HTTP/*' 200 '* ]]
}

show_more() {
	page_answers || fail "the page does not answer"
	cat <<-END
	5. The page: http://127.0.0.1:$page/  (metrics for Prometheus: /metrics)
END
	[ -z "$once" ] || return 0
	cat <<-END
	   In another terminal:
	     redis-cli -p $port_a shutdown
	     $(dirname "$ringmain")/ringmainctl -s $dir/control.sock top
	     tail -f $dir/log
	   It goes on until Ctrl-C. The configuration is etc/demo.ini; see etc/recipes/ for others.
	END
	go_on
}

command -v redis-server >/dev/null ||
	fail "redis-server is missing: scripts/install-deps.sh --for run"
[ -x "$ringmain" ] || fail "$ringmain is missing: make"
trap '' PIPE
trap stop_all EXIT
trap 'exit 0' INT TERM HUP
dir=$(mktemp -d "${TMPDIR:-/tmp}/ringmain-demo.XXXXXX") || exit 1

start_redis a 7381
port_a=$port
start_redis b $((port_a + 1))
port_b=$port
listen=$(free_port 7379)
((listen != port_a && listen < 7381)) || listen=$(free_port $((port_b + 1)))
page=$(free_port 9180)
start_ringmain
show_failure
show_mistake
show_more
((errors == 0))
