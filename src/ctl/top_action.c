/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ctl/top_action.h"

#include <stdio.h>
#include <string.h>

#include "base/def.h"

static const struct top_action actions[] = {
	{ 'd',
	  "backend",
	  "Drain %: no new sessions, those it has go on?",
	  { "backend", "%", "drain" } },
	{ 'm', "backend", "Take % out for maintenance?", { "backend", "%", "maint" } },
	{ 'u', "backend", "Use % again?", { "backend", "%", "ready" } },
	{ 'p', "listener", "Refuse new clients of %?", { "listener", "%", "pause" } },
	{ 'u', "listener", "Let clients of % in again?", { "listener", "%", "resume" } },
	{ 'x', "session", "End session %?", { "kill", "%", "--yes" } },
	{ 'x', "backend", "End all sessions of %?", { "kill", "--backend", "%", "--yes" } },
	{ 'x', "pool", "End all sessions of %?", { "kill", "--pool", "%", "--yes" } },
	{ 'x', "listener", "End all sessions of %?", { "kill", "--listener", "%", "--yes" } },
};

const struct top_action *top_action_for(int key, const char *kind)
{
	for (size_t n = 0; n < ARRAY_LEN(actions); n++)
		if (actions[n].key == key && strcmp(actions[n].kind, kind) == 0)
			return &actions[n];
	return NULL;
}

void top_action_question(const struct top_action *action, const char *name, char *text, size_t room)
{
	const char *at = strchr(action->question, '%');

	snprintf(text, room, "%.*s%.200s%s [y/N]", (int)(at - action->question), action->question,
		 name, at + 1);
}

void top_action_where(int key, char *text, size_t room)
{
	size_t at = 0;

	for (size_t n = 0; n < ARRAY_LEN(actions) && at < room; n++) {
		if (actions[n].key != key)
			continue;
		if (at == 0)
			at = (size_t)snprintf(text, room, "%c is for a ", key);
		else
			at += (size_t)snprintf(text + at, room - at, " or a ");
		if (at < room)
			at += (size_t)snprintf(text + at, room - at, "%s", actions[n].kind);
	}
	if (at > 0 && at < room)
		snprintf(text + at, room - at, ": choose one");
}
