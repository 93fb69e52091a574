/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The steps of the listener's protocol: what it says in clear, and what inside TLS. */
#include "preread/step.h"

static struct protocol_input input_of(const struct session *s, const struct preread_input *in)
{
	return (struct protocol_input){
		.config = s->config,
		.state = s->protocol,
		.bytes = in->bytes,
		.n = in->n,
		.is_cut = in->is_cut,
		.has_pool = s->pool || s->config->pool,
	};
}

static bool plaintext_is_wanted(const struct session *s)
{
	return s->listener->protocol && s->listener->protocol->read_clear;
}

static enum step_verdict plaintext_begin(struct session *s, struct step_answer *answer)
{
	const struct protocol_input input = input_of(s, &(struct preread_input){ 0 });
	enum step_verdict verdict = STEP_MORE;

	if (s->listener->protocol->begin_clear)
		verdict = s->listener->protocol->begin_clear(&input, answer);
	s->protocol->was_greeted = answer->say_bytes > 0;
	return verdict;
}

static enum step_verdict plaintext_read(struct session *s, const struct preread_input *in,
					struct step_answer *answer)
{
	const struct protocol_input input = input_of(s, in);

	return s->listener->protocol->read_clear(&input, answer);
}

static bool inside_tls_is_wanted(const struct session *s)
{
	return s->listener->protocol && s->listener->protocol->read_inside &&
	       s->config->tls == TLS_MODE_TERMINATE;
}

static enum step_verdict inside_tls_read(struct session *s, const struct preread_input *in,
					 struct step_answer *answer)
{
	const struct protocol_input input = input_of(s, in);

	return s->listener->protocol->read_inside(&input, answer);
}

const struct preread_step preread_plaintext = {
	.name = "plaintext",
	.is_dialogue = true,
	.is_wanted = plaintext_is_wanted,
	.begin = plaintext_begin,
	.read = plaintext_read,
};

const struct preread_step preread_inside_tls = {
	.name = "inside_tls",
	.is_wanted = inside_tls_is_wanted,
	.read = inside_tls_read,
};
