#!/bin/sh
# CPU microseconds per request of nginx, of the C ceiling, and of the ceiling
# with one Python call.  Server on core 0, wrk on core 1, alternating.
#
# usage: bench/ceiling.sh BENCH-CEILING [INTERPRETER [PORT [SECONDS [ROUNDS]]]]
set -eu
here=$(cd "$(dirname "$0")" && pwd)
ceiling=$1
python=${2:-}
port=${3:-18280}
seconds=${4:-5}
rounds=${5:-3}
tmp=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$tmp"' EXIT
sed "s|PREFIX|$tmp|; s|PORT|$port|" "$here/nginx.conf" >"$tmp/nginx.conf"

# user and system ticks of a process
ticks() {
	sed 's/.*) //' "/proc/$1/stat" | { read -r _ _ _ _ _ _ _ _ _ _ _ user system _; echo $((user + system)); }
}

measure() {
	name=$1
	shift
	taskset -c 0 "$@" 2>>"$tmp/errors" &
	server=$!
	n=0
	until curl -s -o /dev/null "http://127.0.0.1:$port/"; do
		n=$((n + 1))
		[ "$n" -lt 50 ] || { cat "$tmp/errors" >&2; exit 1; }
		sleep 0.1
	done
	taskset -c 1 wrk -t1 -c20 -d1 "http://127.0.0.1:$port/" >/dev/null
	before=$(ticks "$server")
	taskset -c 1 wrk -t1 -c20 -d"$seconds" --latency "http://127.0.0.1:$port/" >"$tmp/wrk"
	after=$(ticks "$server")
	kill "$server"
	wait "$server" || true
	server=
	awk -v name="$name" -v ticks=$((after - before)) -v hz="$(getconf CLK_TCK)" '
		/requests in/ { n = $1 }
		/Requests\/sec/ { rate = $2 }
		/ 99%/ { p99 = $2 }
		/Non-2xx|Socket errors/ { bad = bad " " $0 }
		END { printf "%-16s %8.2f us/request  %9.0f requests/s  p99 %s%s\n", name, ticks / hz * 1e6 / n, rate, p99, bad }' "$tmp/wrk"
}

i=0
while [ "$i" -lt "$rounds" ]; do
	i=$((i + 1))
	measure nginx nginx -p "$tmp" -c "$tmp/nginx.conf"
	measure ceiling "$ceiling" "$port"
	[ -z "$python" ] || measure ceiling-python "$ceiling" "$port" "--python=$python"
done
