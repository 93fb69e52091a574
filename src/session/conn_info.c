/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "session/conn_info.h"

#include <stdio.h>

#include "session/host.h"

struct conn_info *conn_info_of(struct session *s)
{
	if (!s->info)
		s->info = slab_get(&s->host->infos);
	return s->info;
}

void conn_info_release(struct session *s)
{
	if (s->info)
		slab_put(&s->host->infos, s->info);
	s->info = NULL;
}

void conn_info_log(const struct conn_info *info, struct log_line *line)
{
	if (info->version) {
		log_text(line, "tls", info->version);
		log_text(line, "cipher", info->cipher);
		if (info->group[0])
			log_text(line, "group", info->group);
		log_flag(line, "resumed", info->resumed);
	}
	if (info->sni[0])
		log_text(line, "sni", info->sni);
	if (info->alpn[0])
		log_text(line, "alpn", info->alpn);
	if (info->client_name[0])
		log_text(line, "client_cn", info->client_name);
	if (info->client_rule)
		log_text(line, "client_rule", info->client_rule);
}

void conn_info_note_detail(struct session *s, const char *why)
{
	struct conn_info *info = conn_info_of(s);

	if (!info)
		return;
	snprintf(info->dial_detail, sizeof(info->dial_detail), "%s", why);
	s->detail = info->dial_detail;
}
