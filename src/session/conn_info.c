/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "session/conn_info.h"

#include "base/text.h"
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

void conn_info_note_detail(struct session *s, const char *why)
{
	struct conn_info *info = conn_info_of(s);

	s->detail = info ? info->dial_detail : NULL; /* never @why, which may live shorter */
	if (info)
		text_copy_cut(info->dial_detail, sizeof(info->dial_detail), why);
}
