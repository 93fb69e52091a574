/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_TLS_KIT_H
#define TESTS_TLS_KIT_H

/*
 * For tests of the TLS floor: certificates made with the openssl command in a
 * directory of their own, and a client and a server joined in memory.
 */

#include "base/def.h"
#include "tls/stream.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define KIT_PATH_BYTES 256

/* ---- certificates ------------------------------------------------------------ */

static char kit_dir[64] = "/tmp/ringmain-tls-XXXXXX";

/*
 * make NAME CA SUBJECT SAN DAYS KEY: NAME.pem has certificate and key, NAME.crt and
 * NAME.key have one each.
 */
static const char kit_script[] =
	"set -e; cd \"$1\"; exec >log 2>&1\n"
	"key() { case $1 in rsa) openssl genrsa 2048 ;; ed25519) openssl genpkey -algorithm ed25519 ;;"
	" *) openssl ecparam -name $1 -genkey -noout ;; esac; }\n"
	"ca() { key prime256v1 >$1.key; openssl req -x509 -new -key $1.key -subj \"/CN=$1\" -days 30"
	" -addext keyUsage=keyCertSign,cRLSign -out $1.crt; }\n"
	"make() { (umask 077; key $6 >$1.key); openssl req -new -key $1.key -subj \"$3\" -out $1.csr\n"
	" echo basicConstraints=CA:FALSE >$1.ext; [ -z \"$4\" ] || echo \"subjectAltName=$4\" >>$1.ext\n"
	" openssl x509 -req -in $1.csr -CA $2.crt -CAkey $2.key -CAcreateserial -days $5"
	" -extfile $1.ext -out $1.crt; (umask 077; cat $1.crt $1.key >$1.pem); }\n"
	"ca ca; ca stranger-ca\n"
	"names='DNS:db1.example.com,DNS:*.shard.example.com'\n"
	"make ecdsa ca /CN=db1.example.com $names 30 prime256v1\n"
	"make rsa ca /CN=db1.example.com $names 30 rsa\n"
	"make ed25519 ca /CN=db1.example.com $names 30 ed25519\n"
	"make p384 ca /CN=p384.example.com DNS:p384.example.com 30 secp384r1\n"
	"make other ca /CN=other.example.com DNS:other.example.com,DNS:A.shard.example.com 30"
	" prime256v1\n"
	"make plain ca /CN=Plain.example.com '' 30 prime256v1\n"
	"make address ca /CN=x IP:127.0.0.1 30 prime256v1\n"
	"make expired ca /CN=old.example.com DNS:old.example.com -1 prime256v1\n"
	"make soon ca /CN=soon.example.com DNS:soon.example.com 5 prime256v1\n"
	"make alice ca /CN=alice '' 30 prime256v1\n"
	"make mallory ca /CN=mallory '' 30 prime256v1\n"
	"make stranger stranger-ca /CN=stranger '' 30 prime256v1\n"
	"cat other.crt ecdsa.crt ecdsa.key >wrong-order.pem\n"
	"cat ecdsa.crt stranger-ca.crt ecdsa.key >wrong-issuer.pem; cat ecdsa.crt ca.crt ecdsa.key"
	" >chain.pem\n"
	"cat ecdsa.crt other.key >mismatch.pem; echo nothing >empty.pem; chmod 600 *.pem\n"
	"cp ecdsa.pem open.pem; chmod 644 open.pem\n"
	"openssl ec -aes128 -passout pass:x -in ecdsa.key -out locked.key; cat ecdsa.crt locked.key"
	" >locked.pem; chmod 600 locked.pem\n"
	"sed 's/^MI/XX/' ecdsa.pem >broken.pem; chmod 600 broken.pem\n"
	": >index.txt; printf '[ca]\\ndefault_ca=d\\n[d]\\ndatabase=index.txt\\ndefault_md=sha256\\n'"
	" >ca.cnf\n"
	"openssl ca -config ca.cnf -keyfile ca.key -cert ca.crt -revoke mallory.crt\n"
	"openssl ca -config ca.cnf -keyfile ca.key -cert ca.crt -gencrl -crldays 30 -out ca.crl\n"
	"for i in 1 2 3; do openssl rand -hex 48 >key$i; done; cat key1 key2 >keys12; cat key3 key1"
	" >keys31; echo xyz >badkey; chmod 600 key* badkey\n";

/* Returns 0, or another number when the openssl command is missing or fails. */
static inline int kit_make_certificates(void)
{
	char command[256];
	FILE *shell;

	if (!mkdtemp(kit_dir))
		return -1;
	snprintf(command, sizeof(command), "sh -s -- %s", kit_dir);
	shell = popen(command, "w");
	if (!shell)
		return -1;
	fputs(kit_script, shell);
	return pclose(shell);
}

static inline void kit_remove_certificates(void)
{
	char command[256];

	snprintf(command, sizeof(command), "rm -rf %s", kit_dir);
	if (system(command) != 0)
		fprintf(stderr, "%s was left behind\n", kit_dir);
}

/* The path of a file there; a few are valid at a time. */
static inline const char *kit_path(const char *name)
{
	static char paths[16][KIT_PATH_BYTES];
	static unsigned next;
	char *path = paths[next++ % ARRAY_LEN(paths)];

	snprintf(path, KIT_PATH_BYTES, "%s/%s", kit_dir, name);
	return path;
}

/* ---- two streams joined in memory ---------------------------------------------- */

/* What has been sent to a stream and what it has been given of that. */
struct kit_side {
	struct tls_stream *stream;
	uint8_t *inbox;
	size_t inbox_n;
	uint8_t *span;
	size_t sent; /* by it, in all */
	struct kit_side *peer;
};

struct kit_pair {
	struct kit_side client, server;
	size_t chunk; /* bytes given at a time; 0: all */
};

static inline int kit_send(void *owner, const void *bytes, size_t n)
{
	struct kit_side *self = owner, *to = self->peer;
	uint8_t *inbox = realloc(to->inbox, to->inbox_n + n);

	if (!inbox)
		return -1;
	memcpy(inbox + to->inbox_n, bytes, n);
	to->inbox = inbox;
	to->inbox_n += n;
	self->sent += n;
	return 0;
}

static inline void kit_join(struct kit_pair *p)
{
	p->client.peer = &p->server;
	p->server.peer = &p->client;
}

/* Gives a side the next piece of its inbox. False: there is nothing. */
static inline bool kit_give(struct kit_pair *p, struct kit_side *side)
{
	size_t n = side->inbox_n;

	if (tls_stream_input_left(side->stream) > 0)
		return true;
	if (n == 0)
		return false;
	if (p->chunk > 0)
		n = MIN(n, p->chunk);
	free(side->span);
	side->span = malloc(n);
	memcpy(side->span, side->inbox, n);
	side->inbox_n -= n;
	memmove(side->inbox, side->inbox + n, side->inbox_n);
	tls_stream_give(side->stream, side->span, n);
	return true;
}

/* One side goes on as far as its inbox allows. */
static inline enum tls_result kit_step(struct kit_pair *p, struct kit_side *side)
{
	enum tls_result result = tls_stream_handshake(side->stream);

	while (result == TLS_WANT_INPUT && kit_give(p, side))
		result = tls_stream_handshake(side->stream);
	return result;
}

struct kit_outcome {
	enum tls_result client, server;
};

/* Both until they are done or nothing moves. */
static inline struct kit_outcome kit_handshake(struct kit_pair *p)
{
	struct kit_outcome o = { TLS_WANT_INPUT, TLS_WANT_INPUT };

	for (unsigned i = 0; i < 10; i++) {
		if (o.client == TLS_WANT_INPUT)
			o.client = kit_step(p, &p->client);
		if (o.server == TLS_WANT_INPUT)
			o.server = kit_step(p, &p->server);
	}
	return o;
}

/* Reads all that has been sent to a side; what ended it. */
static inline enum tls_result kit_read(struct kit_pair *p, struct kit_side *side, void *out,
				       size_t size, size_t *ret_n)
{
	enum tls_result result;
	size_t n;

	*ret_n = 0;
	do {
		kit_give(p, side);
		result = tls_stream_read(side->stream, (uint8_t *)out + *ret_n, size - *ret_n, &n);
		*ret_n += n;
	} while (*ret_n < size &&
		 (result == TLS_DONE || (result == TLS_WANT_INPUT && side->inbox_n > 0)));
	return result;
}

static inline void kit_part(struct kit_pair *p)
{
	tls_stream_destroy(p->client.stream);
	tls_stream_destroy(p->server.stream);
	free(p->client.inbox);
	free(p->server.inbox);
	free(p->client.span);
	free(p->server.span);
	memset(p, 0, sizeof(*p));
}

#endif
