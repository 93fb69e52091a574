/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * Logging in to a MySQL server, in whatever way it asks for that is safe:
 * MySQL's source documentation, caching_sha2_password and native
 * authentication. A password leaves in clear only inside verified TLS or over
 * a unix socket; encrypted for a key that the server sends where there is no TLS.
 */

#include <errno.h>
#include <string.h>

#include "mysql_parts.h"
#include "crypto/digest.h"
#include "crypto/rsa_encrypt.h"

#define NATIVE "mysql_native_password"
#define CACHING "caching_sha2_password"
#define CLEAR "mysql_clear_password"

#define MORE_FAST_OK 3
#define MORE_FULL 4
#define ASK_FOR_KEY 2

static_assert(MYSQL_PROOF_BYTES_MAX >= DIGEST_SHA256_BYTES, "a proof fits");

bool mysql_knows(const char *plugin)
{
	return strcmp(plugin, NATIVE) == 0 || strcmp(plugin, CACHING) == 0;
}

static void mask(uint8_t *out, const uint8_t *with, size_t n)
{
	for (size_t i = 0; i < n; i++)
		out[i] ^= with[i];
}

/* SHA1(password) ^ SHA1(nonce, SHA1(SHA1(password))) */
static size_t prove_native(const uint8_t *nonce, const struct digest_part *password, uint8_t *out)
{
	uint8_t once[DIGEST_SHA1_BYTES], twice[DIGEST_SHA1_BYTES];
	const struct digest_part inner = { once, sizeof(once) };
	const struct digest_part both[] = { { nonce, MYSQL_NONCE_BYTES },
					    { twice, sizeof(twice) } };

	digest_sha1(password, 1, once);
	digest_sha1(&inner, 1, twice);
	digest_sha1(both, ARRAY_LEN(both), out);
	mask(out, once, sizeof(once));
	explicit_bzero(once, sizeof(once));
	return sizeof(once);
}

/* SHA256(password) ^ SHA256(SHA256(SHA256(password)), nonce) */
static size_t prove_caching(const uint8_t *nonce, const struct digest_part *password, uint8_t *out)
{
	uint8_t once[DIGEST_SHA256_BYTES], twice[DIGEST_SHA256_BYTES];
	const struct digest_part inner = { once, sizeof(once) };
	const struct digest_part both[] = { { twice, sizeof(twice) },
					    { nonce, MYSQL_NONCE_BYTES } };

	digest_sha256(password, 1, once);
	digest_sha256(&inner, 1, twice);
	digest_sha256(both, ARRAY_LEN(both), out);
	mask(out, once, sizeof(once));
	explicit_bzero(once, sizeof(once));
	return sizeof(once);
}

size_t mysql_prove(const struct mysql *mysql, const char *password,
		   uint8_t out[MYSQL_PROOF_BYTES_MAX])
{
	const struct digest_part text = { password, password ? strlen(password) : 0 };

	if (text.n == 0)
		return 0;
	if (strcmp(mysql->plugin, CACHING) == 0)
		return prove_caching(mysql->nonce, &text, out);
	return prove_native(mysql->nonce, &text, out);
}

/* ---- the password itself ------------------------------------------------- */

static const char *password_of(const struct check_exchange *x)
{
	return x->request->password ? x->request->password : "";
}

static enum check_step send_clear(struct check_exchange *x)
{
	if (!exchange_may_send_password(x))
		return exchange_keep_password(x);
	mysql_send(x, password_of(x), strlen(password_of(x)) + 1);
	return CHECK_STEP_MORE;
}

/* The server has not seen this password lately: it wants it whole. */
static enum check_step on_full(struct check_exchange *x)
{
	static const uint8_t ask = ASK_FOR_KEY;

	if (x->channel.is_tls || x->channel.is_local)
		return send_clear(x);
	mysql_send(x, &ask, sizeof(ask));
	mysql_state(x)->phase = MYSQL_KEY;
	return CHECK_STEP_MORE;
}

static enum check_step on_key(struct check_exchange *x, const struct mysql_packet *p)
{
	uint8_t plain[CHECK_NAME_BYTES], sealed[RSA_ENCRYPT_BYTES_MAX];
	struct mysql *mysql = mysql_state(x);
	const size_t n = strlen(password_of(x)) + 1;
	int bytes;

	CHECK(n <= sizeof(plain));
	memcpy(plain, password_of(x), n);
	for (size_t i = 0; i < n; i++)
		plain[i] ^= mysql->nonce[i % MYSQL_NONCE_BYTES];
	bytes = rsa_encrypt((const char *)p->at, p->n, plain, n, sealed);
	explicit_bzero(plain, sizeof(plain));
	if (bytes < 0)
		return exchange_done(
			x, CHECK_OWN_FAULT,
			bytes == -ENOMEM ? "no memory for its key"
					 : "its key for passwords is none of 2048 to 4096 bits");
	mysql_send(x, sealed, (size_t)bytes);
	mysql->phase = MYSQL_LOGIN;
	return CHECK_STEP_MORE;
}

/* ---- what the server wants in between ------------------------------------ */

enum check_step mysql_on_more(struct check_exchange *x, const struct mysql_packet *p)
{
	const struct mysql *mysql = mysql_state(x);

	if (!x->request->user)
		return exchange_done(x, CHECK_PASSED, "asks who we are");
	if (mysql->phase == MYSQL_KEY)
		return on_key(x, p);
	if (strcmp(mysql->plugin, CACHING) == 0 && p->n == 1 && p->at[0] == MORE_FAST_OK)
		return CHECK_STEP_MORE;
	if (strcmp(mysql->plugin, CACHING) == 0 && p->n == 1 && p->at[0] == MORE_FULL)
		return on_full(x);
	return exchange_done(x, CHECK_OWN_FAULT, "it asks for an unknown way to log in: %s",
			     mysql->plugin);
}

static void send_proof(struct check_exchange *x)
{
	uint8_t proof[MYSQL_PROOF_BYTES_MAX];

	mysql_send(x, proof, mysql_prove(mysql_state(x), x->request->password, proof));
}

/* A name with its zero, then the nonce, which may have one, too. */
enum check_step mysql_on_switch(struct check_exchange *x, const struct mysql_packet *p)
{
	struct mysql *mysql = mysql_state(x);
	const uint8_t *end = memchr(p->at, '\0', p->n);
	const size_t name_bytes = end ? (size_t)(end - p->at) : p->n;
	const struct exchange_quote name = exchange_quote(p->at, name_bytes);

	if (mysql->has_switched)
		return exchange_done(x, CHECK_FAILED, "asks for another way to log in twice");
	mysql->has_switched = true;
	if (!end)
		return exchange_done(x, CHECK_OWN_FAULT,
				     "it asks for a password of before MySQL 4.1");
	if (name_bytes < sizeof(mysql->plugin))
		memcpy(mysql->plugin, p->at, name_bytes + 1);
	if (strcmp(name.text, CLEAR) == 0 && x->request->user)
		return send_clear(x);
	if (name_bytes >= sizeof(mysql->plugin) || !mysql_knows(mysql->plugin))
		return exchange_done(x, x->request->user ? CHECK_OWN_FAULT : CHECK_PASSED,
				     "it asks for an unknown way to log in: %s", name.text);
	if (p->n - name_bytes - 1 < MYSQL_NONCE_BYTES)
		return exchange_done(x, CHECK_FAILED, "malformed answer");
	memcpy(mysql->nonce, end + 1, MYSQL_NONCE_BYTES);
	send_proof(x);
	return CHECK_STEP_MORE;
}
