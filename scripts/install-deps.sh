#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Installs the Debian packages that ringmain's build, tests, demo and benchmark need, and only
# those that are missing. Debian 12 and 13. Starts no service: what a package brings along stays
# stopped, and is disabled if it was not there before.
#
# usage: install-deps.sh [--for GROUP[,GROUP...]] [--print]
set -eu

groups_known='build, run, failover, test, page, clients, rabbitmq, lint, fuzz, bench, all'

# The one list. A name with | is the first of those that the release has.
group_packages() {
	case $1 in
	build) echo gcc make pkgconf libc6-dev liburing-dev libinih-dev libxxhash-dev
		echo libjansson-dev libncurses-dev libmicrohttpd-dev ;;
	# The source package of wolfSSL, and what turns it into a library.
	wolfssl)
		echo binutils util-linux dpkg-dev autoconf automake libtool patch xz-utils
		echo debian-archive-keyring
		;;
	run) echo redis-server redis-tools ;;
	unit) echo libcmocka-dev openssl ;;
	system)
		echo libssl-dev python3 python3-pytest python3-pytest-xdist iproute2 procps
		echo openssl curl socat tmux systemd
		echo redis-server redis-tools postgresql postgresql-client
		echo mariadb-server mariadb-client iperf3 openssh-server openssh-client nftables
		echo galera-4 mosquitto mosquitto-clients postfix slapd dovecot-imapd # checks
		echo haproxy nginx libnginx-mod-stream hitch gnutls-bin sslscan tshark
		echo libwolfssl-dev # for WOLFSSL=system
		;;
	failover) echo python3 python3-pytest postgresql postgresql-client ;;
	page) echo chromium prometheus ;; # prometheus for promtool
	clients)
		echo golang-go golang-github-lib-pq-dev default-jdk-headless
		echo libpostgresql-jdbc-java
		;;
	rabbitmq) echo rabbitmq-server amqp-tools ;; # 100 MB with Erlang
	fuzz) echo clang openssl 'libclang-rt-14-dev|libclang-rt-19-dev' ;;
	lint) echo clang-format clang-tidy cppcheck shellcheck mandoc ;;
	bench)
		echo libssl-dev haproxy nginx libnginx-mod-stream hitch openssl python3
		echo redis-server redis-tools gnuplot-nox linux-perf strace
		;;
	*) fail "unknown group '$1' ($groups_known)" ;;
	esac
}

# The services these packages would start, now or at the next boot.
services='dovecot haproxy hitch mariadb mosquitto nginx postfix postgresql prometheus
rabbitmq-server redis-server slapd ssh'

# What a user asks for, in terms of the list.
expand() {
	case $1 in
	build) echo build wolfssl ;;
	run) echo build wolfssl run ;;
	test) echo build wolfssl unit system ;;
	lint) echo build wolfssl lint ;;
	failover) echo build wolfssl failover ;;
	page) echo build wolfssl unit system page ;;
	clients) echo build wolfssl unit system clients ;;
	rabbitmq) echo build wolfssl unit system rabbitmq ;;
	fuzz) echo build wolfssl fuzz ;;
	bench) echo build wolfssl bench ;;
	all) echo build wolfssl run failover unit system page clients rabbitmq fuzz lint bench ;;
	*) fail "unknown group '$1' ($groups_known)" ;;
	esac
}

usage() {
	cat <<-END
	usage: install-deps.sh [--for GROUP[,GROUP...]] [--print]
	  --for GROUP  of $groups_known (default: build)
	  --print      only print the packages that are missing
	END
}

fail() {
	echo "install-deps: $*" >&2
	exit 1
}

is_installed() {
	[ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

is_available() {
	apt-cache show --no-all-versions "$1" >/dev/null 2>&1
}

# Of "a|b": the one that is installed, else the one that the release has.
choose() {
	names=$(echo "$1" | tr '|' ' ')
	for name in $names; do
		if is_installed "$name"; then
			echo "$name"
			return
		fi
	done
	for name in $names; do
		if is_available "$name"; then
			echo "$name"
			return
		fi
	done
	echo "$name"
}

missing_packages() {
	for group in $1; do
		# shellcheck disable=SC2046 # a list of words
		set -- $(group_packages "$group")
		for entry; do
			case $entry in
			*'|'*) entry=$(choose "$entry") ;;
			esac
			is_installed "$entry" || echo "$entry"
		done
	done | sort -u
}

# ---- the part that needs root -----------------------------------------------

policy=/usr/sbin/policy-rc.d
cluster_dir=/etc/postgresql-common/createcluster.d
cluster_conf=$cluster_dir/ringmain-install-deps.conf
policy_made='' cluster_made=''

hold_services() {
	trap release_services EXIT
	trap 'exit 130' INT TERM HUP
	if [ ! -e "$policy" ]; then
		policy_made=yes
		printf '%s\n' '#!/bin/sh' '# Temporary: install-deps.sh starts nothing' 'exit 101' \
			>"$policy"
		chmod 755 "$policy"
	fi
	if [ ! -e "$cluster_conf" ]; then
		cluster_made=yes
		mkdir -p "$cluster_dir"
		echo 'create_main_cluster = false' >"$cluster_conf"
	fi
}

release_services() {
	if [ -n "$policy_made" ]; then
		rm -f "$policy"
	fi
	if [ -n "$cluster_made" ]; then
		rm -f "$cluster_conf"
	fi
}

# The difference before and after is what the installation added.
enabled_units() {
	for service in $services; do
		find /etc/systemd/system -path "*.wants/$service.service" -printf '%f\n' 2>/dev/null
	done | sort -u
}

disable_new_units() {
	command -v systemctl >/dev/null || return 0
	new=$(enabled_units | grep -vxF -e "${1:-none}" || true)
	[ -n "$new" ] || return 0
	# shellcheck disable=SC2086 # a list of units
	echo "install-deps: left disabled:" $new
	# shellcheck disable=SC2086
	systemctl disable --quiet $new >/dev/null 2>&1 || true
}

install_packages() {
	hold_services
	before=$(enabled_units)
	export DEBIAN_FRONTEND=noninteractive
	apt-get -qq -o DPkg::Lock::Timeout=300 update ||
		echo "install-deps: could not refresh the package lists, going on" >&2
	# The release's name for "a|b" may only be known now.
	# shellcheck disable=SC2046 # a list of packages
	apt-get -qq -y --no-install-recommends -o DPkg::Lock::Timeout=300 \
		-o Dpkg::Use-Pty=0 install $(missing_packages "$1") >"$log" 2>&1 || {
		tail -n 30 "$log" >&2
		rm -f "$log"
		fail "apt-get could not install these packages"
	}
	rm -f "$log"
	disable_new_units "$before"
}

# ---- ------------------------------------------------------------------------

wanted=build print_only=''
while [ $# -gt 0 ]; do
	case $1 in
	--for)
		[ $# -ge 2 ] || fail "--for needs a group"
		wanted=$2
		shift
		;;
	--for=*) wanted=${1#--for=} ;;
	--print) print_only=yes ;;
	-h | --help)
		usage
		exit 0
		;;
	*)
		usage >&2
		exit 2
		;;
	esac
	shift
done

command -v dpkg-query >/dev/null || fail "this is not Debian; needed are the packages named in $0"
groups=
for word in $(echo "$wanted" | tr ',' ' '); do
	groups="$groups $(expand "$word")" || exit 1
done
missing=$(missing_packages "$groups" | tr '\n' ' ')
missing=${missing% }
if [ -n "$print_only" ]; then
	echo "$missing"
	exit 0
fi
[ -n "$missing" ] || exit 0

if [ "$(id -u)" -ne 0 ]; then
	echo "install-deps: missing for '$wanted': $missing"
	if command -v sudo >/dev/null; then
		echo "install-deps: sudo asks for the right to install them"
		sudo "$0" --for "$wanted" && exit 0
	fi
	echo "install-deps: as root, please run:" >&2
	echo "  apt-get install --no-install-recommends $missing" >&2
	exit 1
fi

echo "install-deps: installing for '$wanted': $missing"
log=$(mktemp)
install_packages "$groups"
echo "install-deps: done"
