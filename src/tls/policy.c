/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "tls/policy.h"

#include "base/check.h"
#include "base/text.h"
#include "tls/library.h"

#include <wolfssl/options.h>
#include <wolfssl/ssl.h>

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define WORD_BYTES 256
#define TOKENS_MAX 32

/*
 * All that ringmain knows: forward secrecy and authenticated encryption.
 * Where two names are in use, the second is IANA's.
 */
static const struct suite {
	const char *name, *iana;
	enum tls_version version;
	bool is_aes;
} suites[] = {
	{ "TLS13-AES128-GCM-SHA256", "TLS_AES_128_GCM_SHA256", TLS_1_3, true },
	{ "TLS13-AES256-GCM-SHA384", "TLS_AES_256_GCM_SHA384", TLS_1_3, true },
	{ "TLS13-CHACHA20-POLY1305-SHA256", "TLS_CHACHA20_POLY1305_SHA256", TLS_1_3, false },
	{ "ECDHE-ECDSA-AES128-GCM-SHA256", "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", TLS_1_2,
	  true },
	{ "ECDHE-RSA-AES128-GCM-SHA256", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", TLS_1_2, true },
	{ "ECDHE-ECDSA-AES256-GCM-SHA384", "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", TLS_1_2,
	  true },
	{ "ECDHE-RSA-AES256-GCM-SHA384", "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", TLS_1_2, true },
	{ "ECDHE-ECDSA-CHACHA20-POLY1305", "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", TLS_1_2,
	  false },
	{ "ECDHE-RSA-CHACHA20-POLY1305", "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", TLS_1_2,
	  false },
};

/* wolfSSL 5.9 has it, if it was not left out of the build. */
#ifdef WOLFSSL_PQC_HYBRIDS
#define X25519MLKEM768 WOLFSSL_X25519MLKEM768
#define POST_QUANTUM "X25519MLKEM768:"
#else
#define X25519MLKEM768 0
#define POST_QUANTUM ""
#endif
#define CLASSIC "X25519:P-256:P-384:P-521"

/* What is recorded today cannot be read by tomorrow's computers; then the cheapest. */
static const struct group {
	const char *name, *alias;
	int number; /* 0: this library does not have it */
	enum tls_version min;
} groups[] = {
	{ "X25519MLKEM768", "X25519MLKEM768", X25519MLKEM768, TLS_1_3 },
	{ "X25519", "x25519", WOLFSSL_ECC_X25519, TLS_1_2 },
	{ "P-256", "secp256r1", WOLFSSL_ECC_SECP256R1, TLS_1_2 },
	{ "P-384", "secp384r1", WOLFSSL_ECC_SECP384R1, TLS_1_2 },
	{ "P-521", "secp521r1", WOLFSSL_ECC_SECP521R1, TLS_1_2 },
};

static_assert(ARRAY_LEN(groups) == POLICY_GROUPS_MAX, "every group fits");

/* ---- lists of words ------------------------------------------------------ */

/* The next word of a list, blanks around it left out. False: no more. */
static bool next_word(const char **list, char separator, char ret_word[WORD_BYTES])
{
	const char *from = *list, *to;
	size_t n;

	if (!from)
		return false;
	to = strchrnul(from, separator);
	*list = *to ? to + 1 : NULL;
	from += strspn(from, " \t");
	n = (size_t)(to - from);
	while (n > 0 && strchr(" \t", from[n - 1]))
		n--;
	snprintf(ret_word, WORD_BYTES, "%.*s", (int)MIN(n, (size_t)WORD_BYTES - 1), from);
	return true;
}

static void add_word(char *list, size_t bytes, char separator, const char *word)
{
	size_t n = strlen(list);

	CHECK(n + 1 + strlen(word) < bytes);
	if (n > 0)
		list[n++] = separator;
	memcpy(list + n, word, strlen(word) + 1);
}

/* Where none is near, every @step-th is listed: those between are other names for the same. */
struct known_names {
	const char *const *at;
	size_t n, step;
};

static void add_unknown(struct tls_problems *problems, const char *key, const char *word,
			const struct known_names *known)
{
	const char *nearest = text_nearest(word, known->at, known->n);
	char allowed[512] = "";
	size_t n = 0;

	for (size_t i = 0; i < known->n && n < sizeof(allowed); i += known->step)
		n += (size_t)snprintf(allowed + n, sizeof(allowed) - n, "%s%s", i > 0 ? ", " : "",
				      known->at[i]);
	if (nearest)
		tls_problem_add(problems, TLS_ERROR, key, word, "unknown; did you mean '%s'?",
				nearest);
	else
		tls_problem_add(problems, TLS_ERROR, key, word, "unknown (%s)", allowed);
}

/* ---- suites -------------------------------------------------------------- */

static const struct suite *find_suite(const char *word)
{
	for (size_t i = 0; i < ARRAY_LEN(suites); i++) {
		if (strcasecmp(word, suites[i].name) == 0 || strcasecmp(word, suites[i].iana) == 0)
			return &suites[i];
	}
	return NULL;
}

const char *policy_cipher_name(const char *name)
{
	const struct suite *suite = find_suite(name);

	return suite ? suite->iana : name;
}

const char *policy_cipher_openssl(const char *name)
{
	const struct suite *suite = find_suite(name);

	if (!suite)
		return name;
	return suite->version == TLS_1_3 ? suite->iana : suite->name;
}

static void add_unknown_suite(struct tls_problems *problems, const char *word)
{
	const char *names[2 * ARRAY_LEN(suites)];

	for (size_t i = 0; i < ARRAY_LEN(suites); i++) {
		names[2 * i] = suites[i].name;
		names[2 * i + 1] = suites[i].iana;
	}
	add_unknown(problems, "ciphers", word, &(struct known_names){ names, ARRAY_LEN(names), 2 });
}

/* AES first where the processor has instructions for it, ChaCha20 first elsewhere. */
static void default_ciphers(struct policy *policy)
{
	bool aes_first = tls_cpu_has_aes() && tls_library_is_fast();

	for (unsigned pass = 0; pass < 2; pass++) {
		for (size_t i = 0; i < ARRAY_LEN(suites); i++) {
			if (suites[i].is_aes == (aes_first == (pass == 0)))
				add_word(policy->ciphers, sizeof(policy->ciphers), ':',
					 suites[i].name);
		}
	}
}

static bool is_in_list(const char *list, const char *word)
{
	char other[WORD_BYTES];

	while (next_word(&list, ':', other)) {
		if (strcmp(word, other) == 0)
			return true;
	}
	return false;
}

static bool has_suite_for(const struct policy *policy, enum tls_version version)
{
	for (size_t i = 0; i < ARRAY_LEN(suites); i++) {
		if (suites[i].version == version && is_in_list(policy->ciphers, suites[i].name))
			return true;
	}
	return false;
}

static void resolve_ciphers(const char *wanted, struct tls_problems *problems,
			    struct policy *policy)
{
	char word[WORD_BYTES];

	if (!wanted) {
		default_ciphers(policy);
		return;
	}
	while (next_word(&wanted, ':', word)) {
		const struct suite *suite = find_suite(word);

		if (!suite)
			add_unknown_suite(problems, word);
		else if (!is_in_list(policy->ciphers, suite->name))
			add_word(policy->ciphers, sizeof(policy->ciphers), ':', suite->name);
	}
	for (enum tls_version v = policy->min; v <= policy->max; v++) {
		if (!has_suite_for(policy, v))
			tls_problem_add(problems, TLS_ERROR, "ciphers", NULL,
					"none of them is for TLS 1.%d, which is allowed",
					v == TLS_1_3 ? 3 : 2);
	}
}

/* ---- groups, ALPN, versions ---------------------------------------------- */

static const struct group *find_group(const char *word)
{
	for (size_t i = 0; i < ARRAY_LEN(groups); i++) {
		if (strcasecmp(word, groups[i].name) == 0 || strcasecmp(word, groups[i].alias) == 0)
			return &groups[i];
	}
	return NULL;
}

const char *policy_group_name(const char *name)
{
	const struct group *group = find_group(name);

	return group ? group->name : name;
}

const char *policy_groups(bool is_server)
{
	static const char *const lists[] = { CLASSIC, POST_QUANTUM CLASSIC };

	return lists[is_server];
}

static bool has_group(const struct policy *policy, int number)
{
	for (size_t i = 0; i < policy->groups_n; i++) {
		if (policy->groups[i] == number)
			return true;
	}
	return false;
}

static void add_unknown_group(struct tls_problems *problems, const char *word)
{
	const char *names[ARRAY_LEN(groups)];

	for (size_t i = 0; i < ARRAY_LEN(groups); i++)
		names[i] = groups[i].name;
	add_unknown(problems, "groups", word, &(struct known_names){ names, ARRAY_LEN(names), 1 });
}

static void add_group(const char *word, struct tls_problems *problems, struct policy *policy)
{
	const struct group *group = find_group(word);

	if (!group)
		add_unknown_group(problems, word);
	else if (group->number == 0)
		tls_problem_add(problems, TLS_ERROR, "groups", word, "%s does not have it",
				tls_library_version());
	else if (group->min <= policy->max && !has_group(policy, group->number))
		policy->groups[policy->groups_n++] = group->number;
}

static bool has_group_for(const struct policy *policy, enum tls_version version)
{
	for (size_t i = 0; i < ARRAY_LEN(groups); i++) {
		if (groups[i].min <= version && has_group(policy, groups[i].number))
			return true;
	}
	return false;
}

static void resolve_groups(const char *wanted, struct tls_problems *problems, struct policy *policy)
{
	size_t errors = problems->errors_n;
	char word[WORD_BYTES];

	while (next_word(&wanted, ':', word))
		add_group(word, problems, policy);
	if (problems->errors_n == errors && !has_group_for(policy, policy->min))
		tls_problem_add(problems, TLS_ERROR, "groups", NULL,
				"none of them is for TLS 1.2, which is allowed");
}

static void resolve_alpn(const char *wanted, struct tls_problems *problems, struct policy *policy)
{
	char word[WORD_BYTES];
	size_t n = 0;

	while (next_word(&wanted, ',', word)) {
		if (word[0] == '\0' || strlen(word) == WORD_BYTES - 1)
			tls_problem_add(problems, TLS_ERROR, "alpn", word,
					"an id has 1 to 254 characters");
		else if (++n > TLS_ALPN_MAX ||
			 strlen(policy->alpn) + strlen(word) + 2 > sizeof(policy->alpn))
			tls_problem_add(problems, TLS_ERROR, "alpn", word, "too many ids");
		else
			add_word(policy->alpn, sizeof(policy->alpn), ',', word);
	}
}

bool policy_resolve(const struct tls_policy *wanted, enum tls_version min, bool is_server,
		    struct tls_problems *problems, struct policy *ret_policy)
{
	size_t errors = problems->errors_n;

	*ret_policy = (struct policy){
		.min = wanted->version_min ? wanted->version_min : min,
		.max = wanted->version_max ? wanted->version_max : TLS_1_3,
	};
	if (ret_policy->min > ret_policy->max) {
		if (wanted->version_min)
			tls_problem_add(problems, TLS_ERROR, "tls_min", NULL, "is above tls_max");
		else
			tls_problem_add(problems, TLS_ERROR, "tls_max", NULL,
					"verified clients need TLS 1.3, unless tls_min says 1.2");
		return false;
	}
	resolve_ciphers(wanted->ciphers, problems, ret_policy);
	resolve_groups(wanted->groups ? wanted->groups : policy_groups(is_server), problems,
		       ret_policy);
	resolve_alpn(wanted->alpn, problems, ret_policy);
	return problems->errors_n == errors;
}

struct WOLFSSL_METHOD *policy_method(const struct policy *policy, bool is_server)
{
	if (policy->min == TLS_1_3)
		return is_server ? wolfTLSv1_3_server_method() : wolfTLSv1_3_client_method();
	if (policy->max == TLS_1_2)
		return is_server ? wolfTLSv1_2_server_method() : wolfTLSv1_2_client_method();
	return is_server ? wolfSSLv23_server_method() : wolfSSLv23_client_method();
}

static bool apply_groups(const struct policy *policy, WOLFSSL_CTX *ctx)
{
	int numbers[POLICY_GROUPS_MAX];

	memcpy(numbers, policy->groups, sizeof(numbers));
	if (wolfSSL_CTX_set_groups(ctx, numbers, (int)policy->groups_n) == WOLFSSL_SUCCESS)
		return true;
	/* Before wolfSSL 5.7 a context for TLS 1.2 alone only takes them one by one. */
	for (size_t i = 0; i < policy->groups_n; i++) {
		if (policy->max != TLS_1_2 ||
		    wolfSSL_CTX_UseSupportedCurve(ctx, (word16)numbers[i]) != WOLFSSL_SUCCESS)
			return false;
	}
	return true;
}

bool policy_apply(const struct policy *policy, struct WOLFSSL_CTX *ctx)
{
	if (wolfSSL_CTX_SetMinVersion(ctx,
				      policy->min == TLS_1_3 ? WOLFSSL_TLSV1_3 : WOLFSSL_TLSV1_2) !=
	    WOLFSSL_SUCCESS)
		return false;
	if (wolfSSL_CTX_set_cipher_list(ctx, policy->ciphers) != WOLFSSL_SUCCESS)
		return false;
	return apply_groups(policy, ctx);
}
