#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Builds the wolfSSL that ringmain links: Debian stable's source with Debian's patches, lean,
# static, with the processor's cryptographic instructions, which the packaged library lacks.
#
#   build-wolfssl.sh --prefix   print the directory that has lib/libwolfssl.a and include/;
#                               build it first when the cache has none (progress on stderr)
#   build-wolfssl.sh --update   look whether Debian has a newer source; if so, build that one
#   build-wolfssl.sh --check    test that the cached build has what is wanted, and no more
#
# The source comes through apt, which checks its signatures, from the mirror that this system's
# apt uses already; nothing in /etc/apt or /var/lib/apt is touched, and root is not needed. The
# result is kept in ${XDG_CACHE_HOME:-~/.cache}/ringmain/wolfssl-VERSION-HASH, the hash being
# that of everything below and of the patches in wolfssl/ that shapes the build. With it there,
# no network is needed.
#
# WOLFSSL_SUITE=sid takes the source of another suite of Debian's; with 5.9 there is the key
# exchange X25519MLKEM768. WOLFSSL_WITHOUT=records leaves out wolfssl/records.patch, to see what
# it does and costs: `make WITHOUT=records` builds with that.
#
# Debian packages this needs: gcc make binutils autoconf automake libtool dpkg-dev
# debian-archive-keyring xz-utils util-linux patch

set -euo pipefail
export LC_ALL=C
exec 3>&2 # what is said goes here, also while stderr goes to a log

suite=${WOLFSSL_SUITE:-trixie}
without=${WOLFSSL_WITHOUT:+$WOLFSSL_WITHOUT.patch}
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
cache=${XDG_CACHE_HOME:-${HOME:-/var/tmp/ringmain-$(id -u)}/.cache}/ringmain
patches=("$(dirname "$(realpath "$0")")"/wolfssl/*.patch) # what only the library can mend
recipe=1 # raise it when the steps below change what comes out

# Wanted: TLS 1.2 and 1.3 with forward secrecy and AEAD, and nothing that a modern client does
# not need. What is not compiled cannot be attacked or switched on by mistake.
# shellcheck disable=SC2054 # the commas are configure's
flags=(
	--enable-static --disable-shared --disable-examples --disable-crypttests
	--enable-sp=yes,2048,3072,4096,256,384,521 --enable-sp-asm --enable-harden
	--enable-tls13 --enable-sni --enable-alpn --enable-session-ticket
	--enable-extended-master --enable-supportedcurves --enable-ip-alt-name
	--enable-fallback-scsv --enable-maxfragment
	--enable-ecc --enable-curve25519 --enable-ed25519 --enable-rsapss
	--enable-aesgcm --enable-chacha --enable-poly1305 --enable-crl
	--disable-oldtls --disable-sslv3 --disable-psk --disable-anon --disable-dh
	--disable-arc4 --disable-des3 --disable-md5 --disable-aescbc --disable-nullcipher
	--disable-earlydata --disable-secure-renegotiation --disable-crl-monitor
	--disable-pkcs12 --disable-enckeys --disable-sys-ca-certs --disable-jobserver
	--disable-hashdrbg
)
# Alerts for every refusal; the verify callback also for good certificates (it reads the name);
# what middleboxes expect of TLS 1.3 (RFC 8446, D.4); random numbers always from the kernel: a
# generator for each session, seeded and tested when it begins, costs a tenth of a handshake, and
# getentropy(3) needs no file, so a session can begin while no descriptor is free; room for a
# client that offers every suite and signature there is, as scanners do (its default refuses 150
# suites), and a hundred schemes; empty records are for ringmain to judge; memory
# wiped by src/tls/library.c, with the C library's fast instructions. Of certificates: chains with
# more in them than the path to a trusted CA; a thousand names, for which a handshake's message may
# have 64 kB (its default 18 kB are six hundred); policies may be critical (nobody
# here demands one, so there is nothing to refuse); issuers named by serial; a serial number of 0,
# which MariaDB gives to the certificate that it makes for itself.
# Tickets of backends may have a nonce of any length (RFC 8446, 4.6.1; its 8 bytes are not enough
# for rustls, which has 32).
# Points are looked at (wolfssl/point-on-curve.patch, which needs the curves' b; X25519's results).
defines="-DWOLFSSL_EXTRA_ALERTS -DWOLFSSL_ALWAYS_VERIFY_CB -DWOLFSSL_TLS13_MIDDLEBOX_COMPAT
	-DWOLFSSL_GETRANDOM -DCUSTOM_RAND_GENERATE_BLOCK=getentropy
	-DWOLFSSL_MAX_SUITE_SZ=1024 -DWOLFSSL_MAX_SIGALGO=208 -DWOLFSSL_NO_FORCE_ZERO
	-DWOLFSSL_ALT_CERT_CHAINS -DWOLFSSL_MAX_ALT_NAMES=1024 -DWOLFSSL_CERT_EXT
	-DMAX_CERTIFICATE_SZ=65536
	-DWOLFSSL_DUP_CERTPOL -DWOLFSSL_AKID_NAME -DWOLFSSL_ASN_ALLOW_0_SERIAL
	-DWOLFSSL_TICKET_NONCE_MALLOC
	-DUSE_ECC_B_PARAM -DWOLFSSL_ECDHX_SHARED_NOT_ZERO
	-DWOLFSSL_MAX_EMPTY_RECORDS=255"
defines=${defines//[$'\n\t']/ }
# Hardened like ringmain itself (see the Makefile).
cflags="-O2 -g1 -fPIC -fstack-protector-strong -fstack-clash-protection
	-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3 $defines"
cflags=${cflags//[$'\n\t']/ }

machine=$(uname -m)
case $machine in
x86_64) flags+=(--enable-intelasm) cflags+=" -fcf-protection" ;;
aarch64) flags+=(--enable-armasm) cflags+=" -mbranch-protection=standard" ;;
esac

say() { echo "build-wolfssl: $*" >&3; }
die() { say "$*"; exit 1; }

leave_out() {
	local one kept=()
	for one in "${patches[@]}"; do
		[ "${one##*/}" = "$1" ] || kept+=("$one")
	done
	[ ${#kept[@]} -lt ${#patches[@]} ] || die "there is no wolfssl/$1"
	patches=("${kept[@]}")
}

flags_hash() {
	{
		printf '%s\n' "$recipe" "$suite" "$machine" "$cflags" "${flags[@]}"
		cat "${patches[@]}"
	} | sha256sum | cut -c 1-12
}

# The newest finished build of these flags, or nothing.
cached() {
	local dir newest=''
	for dir in "$cache"/wolfssl-*-"$1"; do
		if [ -f "$dir/lib/libwolfssl.a" ]; then
			if [ -z "$newest" ] || newer "$dir" "$newest"; then newest=$dir; fi
		fi
	done
	echo "$newest"
}

newer() {
	dpkg --compare-versions "$(version_of "$1")" gt "$(version_of "$2")"
}

version_of() {
	local name=${1##*/wolfssl-}
	echo "${name%-*}"
}

need() {
	local tool missing=''
	for tool in "$@"; do
		command -v "$tool" >/dev/null || missing+=" $tool"
	done
	[ -z "$missing" ] || die "needs$missing; run scripts/install-deps.sh --for build," \
		"or use the installed library: make WOLFSSL=system"
}

# apt with a state, cache and list of sources of its own, below $work.
own_apt() {
	apt-get -q -o Dir::State="$work/apt/state" -o Dir::State::Lists="$work/apt/lists" \
		-o Dir::Cache="$work/apt/cache" -o Dir::Log="$work/apt" -o APT::Sandbox::User= \
		-o Acquire::Languages=none -o Dir::Etc::SourceList="$work/apt/sources.list" \
		-o Dir::Etc::SourceParts=/dev/null "$@"
}

# The mirror of one of Debian's archives (by its label) that this system uses.
mirror() {
	# shellcheck disable=SC2016 # the dollars are apt's
	apt-get "${@:2}" indextargets --format '$(ORIGIN)|$(LABEL)|$(REPO_URI)' 2>/dev/null |
		sed -n "s/^Debian|$1|//p" | sort -u | head -n 1
}

write_sources() {
	local main security lists=()
	main=$(mirror Debian)
	if [ -z "$main" ]; then # apt has no lists yet: get them, but not into /var/lib/apt
		say "asking apt for this system's mirror"
		lists=(-o Dir::State::Lists="$work/apt/system" -o Dir::Cache="$work/apt/cache"
			-o APT::Sandbox::User=)
		apt-get -q "${lists[@]}" update >&2 || true
		main=$(mirror Debian "${lists[@]}")
	fi
	[ -n "$main" ] || die "this system's apt knows no mirror of Debian; use make WOLFSSL=system"
	[ -r "$keyring" ] || die "$keyring is missing (package debian-archive-keyring)"

	security=$(mirror Debian-Security "${lists[@]}")
	echo "deb-src [signed-by=$keyring] $main $suite main"
	case $suite in sid | unstable | experimental) security='' ;; esac # these have none
	[ -z "$security" ] || echo "deb-src [signed-by=$keyring] $security $suite-security main"
}

get_lists() {
	mkdir -p "$work"/apt/{state,lists/partial,system/partial,cache/archives/partial}
	write_sources >"$work/apt/sources.list"
	own_apt update >&2 || die "apt could not read the list of sources of $suite"
}

newest_version() {
	own_apt source --print-uris wolfssl |
		sed -n 's/^.* wolfssl_\([^ ]*\)\.dsc .*$/\1/p'
}

get_source() {
	# apt compares every file with the signed index; dpkg-source applies Debian's patches.
	(cd "$work" && own_apt source --download-only wolfssl >&2 &&
		dpkg-source --no-check -x wolfssl_*.dsc source >&2) && mend
}

# Patches say from which version on, and until which, they are needed.
mend() {
	local one from until
	for one in "${patches[@]}"; do
		from=$(sed -n '1,/^---/s/^From: //p' "$one")
		until=$(sed -n '1,/^---/s/^Until: //p' "$one")
		if dpkg --compare-versions "$version" lt "${from:-0}" ||
			{ [ -n "$until" ] && dpkg --compare-versions "$version" ge "$until"; }; then
			continue
		fi
		patch -d "$work/source" -p1 --forward --fuzz=0 --quiet <"$one" >&2 ||
			die "${one##*/} does not fit $version"
	done
}

compile() {
	cd "$work/source" && say "configure" &&
		sed -i '1i #include <sys/random.h>' wolfcrypt/src/random.c && # declares getentropy
		autoreconf -fi &&
		./configure --quiet --prefix="$1" "${flags[@]}" \
			CFLAGS="$cflags -ffile-prefix-map=$work=." && say "make" &&
		make -s -j"$(nproc)" src/libwolfssl.la &&
		make -s DESTDIR="$work/root" install
}

build() {
	local version dest
	version=$(newest_version)
	[ -n "$version" ] || die "$suite has no source package wolfssl"
	dest=$cache/wolfssl-$version-$hash
	if [ -f "$dest/lib/libwolfssl.a" ]; then
		say "$version is the newest and already built"
		return
	fi
	say "wolfSSL $version from Debian $suite, about a minute"
	get_source || die "apt could not get the source"
	(compile "$dest") >"$work/log" 2>&1 || {
		tail -n 20 "$work/log" >&2
		die "the build failed"
	}
	printf '%s\n' "version $version" "cflags $cflags" "${flags[@]}" \
		>"$work/root$dest/ringmain-build"
	check "$work/root$dest"
	mv -T "$work/root$dest" "$dest"
	say "ready: $dest"
}

build_locked() {
	need apt-get dpkg-source patch autoreconf libtoolize gcc make nm objdump flock xz
	mkdir -p "$cache"
	exec 9>"$cache/lock"
	flock 9 # another make may be building the same
	if [ "$1" = missing ] && [ -n "$(cached "$hash")" ]; then
		return
	fi
	work=$(mktemp -d "${TMPDIR:-/tmp}/ringmain-wolfssl.XXXXXX")
	trap 'rm -rf "$work"' EXIT
	get_lists
	build
}

# ---- what the result must and must not have ---------------------------------

absent_options="HAVE_SECURE_RENEGOTIATION WOLFSSL_EARLY_DATA HAVE_ANON HAVE_NULL_CIPHER
	WOLFSSL_STATIC_RSA WOLFSSL_STATIC_PSK WOLFSSL_ALLOW_TLSV10 WOLFSSL_ALLOW_SSLV3 HAVE_LIBZ"
present_options="NO_RC4 NO_DES3 NO_PSK NO_OLD_TLS NO_MD5 NO_DH NO_AES_CBC WOLFSSL_TLS13 HAVE_SNI
	HAVE_ALPN HAVE_SESSION_TICKET HAVE_EXTENDED_MASTER HAVE_CURVE25519 HAVE_ED25519 HAVE_ECC
	HAVE_CRL WC_RSA_PSS HAVE_FALLBACK_SCSV HAVE_CHACHA HAVE_POLY1305 HAVE_AESGCM
	HAVE_SERVER_RENEGOTIATION_INFO"
absent_symbols="wc_Arc4SetKey wc_Des3_SetKey wc_InitMd5 wc_AesCbcEncrypt wolfSSLv3_server_method
	wolfTLSv1_server_method wolfTLSv1_1_server_method wolfSSL_Rehandshake
	wolfSSL_CTX_set_psk_server_callback wolfSSL_read_early_data"

check_options() {
	local name bad=''
	for name in $present_options; do
		grep -q "^#define $name\$" "$1" || bad+=" -$name"
	done
	for name in $absent_options; do
		! grep -q "^#define $name\b" "$1" || bad+=" +$name"
	done
	echo "$bad"
}

check_symbols() {
	local name symbols bad=''
	symbols=$(nm --defined-only "$1" 2>/dev/null | awk 'NF == 3 { print $3 }')
	for name in $absent_symbols; do
		! grep -qx "$name" <<<"$symbols" || bad+=" +$name()"
	done
	echo "$bad"
}

check_instructions() {
	local wanted name code bad=''
	case $machine in
	x86_64) wanted="aesenc pclmul mulx vpaddd" ;; # objdump writes pclmullqlqdq and the like
	aarch64) wanted="aese pmull" ;;
	*) return ;;
	esac
	code=$(objdump -d --no-show-raw-insn "$1" |
		awk -F '\t' 'NF > 1 { split($2, word, " "); seen[word[1]] }
			END { for (w in seen) print w }')
	for name in $wanted; do
		grep -qx "v\?$name.*" <<<"$code" || bad+=" -$name"
	done
	echo "$bad"
}

check() {
	local bad
	bad=$(check_options "$1/include/wolfssl/options.h")
	bad+=$(check_symbols "$1/lib/libwolfssl.a")
	bad+=$(check_instructions "$1/lib/libwolfssl.a")
	[ -z "$bad" ] || die "not as wanted (- is missing, + should not be there):$bad"
}

[ -z "$without" ] || leave_out "$without"
hash=$(flags_hash)
case ${1-} in
--prefix)
	prefix=$(cached "$hash")
	if [ -z "$prefix" ]; then
		build_locked missing
		prefix=$(cached "$hash")
	fi
	echo "$prefix"
	;;
--update)
	build_locked newest
	;;
--check)
	need nm objdump
	prefix=$(cached "$hash")
	[ -n "$prefix" ] || die "nothing is built yet"
	check "$prefix"
	say "$prefix is as wanted"
	;;
*)
	sed -n '/^#   build/,/^$/s/^# \{0,1\}//p' "$0" >&2
	exit 2
	;;
esac
