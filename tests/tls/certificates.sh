#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Makes the certificates, keys, lists and broken files that tests of TLS need, in a directory.
# Nothing of it is ever committed. What openssl says goes to DIRECTORY/log.
#
# usage: certificates.sh DIRECTORY [one | large]   (one: ca and ecdsa only; large: and one of RSA 4096)
set -eu

cd "${1:?directory}"
exec >log 2>&1
umask 077

# key KIND: rsa, rsa4096, ed25519 or the name of a curve
key() {
	case $1 in
	rsa) openssl genrsa 2048 ;;
	rsa4096) openssl genrsa 4096 ;;
	ed25519) openssl genpkey -algorithm ed25519 ;;
	*) openssl ecparam -name "$1" -genkey -noout ;;
	esac
}

# ca NAME: NAME.key and NAME.crt
ca() {
	key prime256v1 >"$1.key"
	openssl req -x509 -new -key "$1.key" -subj "/CN=$1" -days 30 \
		-addext keyUsage=keyCertSign,cRLSign -out "$1.crt"
}

# How to ask for DAYS; OpenSSL 3.5 refuses an end before the start, 3.0 knows no start but now.
validity() {
	if [ "$1" -lt 0 ] && openssl x509 -help 2>&1 | grep -q not_before; then
		echo -not_before 20200101000000Z -not_after "$(date -u -d "$1 days" +%Y%m%d%H%M%SZ)"
	else
		echo -days "$1"
	fi
}

# make NAME CA KIND DAYS CN [SAN]: NAME.crt, NAME.key, and both in NAME.pem; an empty CN is none
make() {
	key "$3" >"$1.key"
	openssl req -new -key "$1.key" -subj "/${5:+CN=}${5:-O=none}" -out "$1.csr"
	echo basicConstraints=CA:FALSE >"$1.ext"
	[ -z "${6-}" ] || echo "subjectAltName=$6" >>"$1.ext"
	# shellcheck disable=SC2046 # a list of options
	openssl x509 -req -in "$1.csr" -CA "$2.crt" -CAkey "$2.key" -CAcreateserial \
		$(validity "$4") -extfile "$1.ext" -out "$1.crt"
	cat "$1.crt" "$1.key" >"$1.pem"
}

ca ca
ca stranger-ca

names='DNS:db1.example.com,DNS:*.shard.example.com'
make ecdsa ca prime256v1 30 db1.example.com "$names"
[ "${2-}" != large ] || make large ca rsa4096 30 db1.example.com "$names"
[ -z "${2-}" ] || exit 0
make rsa ca rsa 30 db1.example.com "$names"
make ed25519 ca ed25519 30 db1.example.com "$names"
make p384 ca secp384r1 30 p384.example.com DNS:p384.example.com
make other ca prime256v1 30 other.example.com DNS:other.example.com,DNS:A.shard.example.com
make plain ca prime256v1 30 Plain.example.com
make address ca prime256v1 30 x IP:127.0.0.1
make expired ca prime256v1 -1 old.example.com DNS:old.example.com
make soon ca prime256v1 5 soon.example.com DNS:soon.example.com

# Clients.
make alice ca prime256v1 30 alice
make nameless ca prime256v1 30 '' DNS:nameless.example.com
make mallory ca prime256v1 30 mallory
make stranger stranger-ca prime256v1 30 stranger

# What is wrong in one way each.
cat other.crt ecdsa.crt ecdsa.key >wrong-order.pem
cat ecdsa.crt stranger-ca.crt ecdsa.key >wrong-issuer.pem
cat ecdsa.crt ca.crt ecdsa.key >chain.pem
cat ecdsa.crt other.key >mismatch.pem
sed 's/^MI/XX/' ecdsa.pem >broken.pem
echo nothing >empty.pem
cp ecdsa.pem open.pem
chmod 644 open.pem
openssl ec -aes128 -passout pass:x -in ecdsa.key -out locked.key
cat ecdsa.crt locked.key >locked.pem

: >index.txt
printf '[ca]\ndefault_ca = d\n[d]\ndatabase = index.txt\ndefault_md = sha256\n' >ca.cnf
openssl ca -config ca.cnf -keyfile ca.key -cert ca.crt -revoke mallory.crt
openssl ca -config ca.cnf -keyfile ca.key -cert ca.crt -gencrl -crldays 30 -out ca.crl

# Keys for tickets.
for i in 1 2 3; do
	openssl rand -hex 48 >"key$i"
done
cat key3 key1 >keys31
echo xyz >badkey
