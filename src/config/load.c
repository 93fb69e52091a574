/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config/load.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file_notes.h"
#include "config/bind_conflicts.h"
#include "config/parse.h"
#include "config/resolve.h"
#include "config/setting.h"
#include "config/validate.h"

#define FILES_MAX 1024u /* with those that are included */

struct loader {
	struct config *config;
	struct diag *diag;
	struct config_file *texts; /* one for each of config->files, as are these: */
	struct loaded_file {
		struct config_location location; /* where it was included; line 0: nowhere */
		dev_t dev;
		ino_t ino;
	} * files;
	size_t includes_n; /* that were found so far */
	bool is_directory; /* they were found in one; otherwise somebody named the file */
	struct parser parser;
	const struct config *known; /* in force, or NULL */
	config_check_fn *more;      /* of the caller, or NULL */
	void *owner;
};

/* ---- files ---- */

static int is_ini_file(const struct dirent *entry)
{
	const char *name = entry->d_name;
	size_t n = strlen(name);

	return name[0] != '.' && n > 4 && strcmp(name + n - 4, ".ini") == 0;
}

/* By bytes: the same order in every locale. */
static int compare_entries(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static void report_unreadable(struct loader *l, const struct config_location *location,
			      const char *path, const char *why)
{
	if (location->line == 0)
		diag_error(l->diag, location, "cannot be read: %s", why);
	else
		diag_error(l->diag, location, "[global] include: '%.200s' cannot be read: %s", path,
			   why);
}

/* Makes room for one more text, and keeps those that messages show where diag finds them. */
static bool add_text(struct loader *l, const char *name)
{
	size_t n = l->config->files_n;
	struct config_file *texts = setting_grow(l->diag, l->texts, n, sizeof(*texts));
	struct loaded_file *files;

	if (!texts)
		return false;
	l->texts = texts;
	texts[n].name = name;
	diag_set_files(l->diag, texts, n + 1);
	files = setting_grow(l->diag, l->files, n, sizeof(*files));
	if (files)
		l->files = files;
	return files != NULL;
}

/* Takes @path, a string from malloc(3), that was named on the command line, or at @location. */
static bool add_file(struct loader *l, char *path, const struct config_location *location)
{
	struct config *config = l->config;
	char **files = NULL;

	if (config->files_n == FILES_MAX) {
		diag_error(l->diag, location, "more than %u files", FILES_MAX);
		free(path);
		return false;
	}
	if (path)
		files = setting_grow(l->diag, config->files, config->files_n, sizeof(*files));
	if (!files || !add_text(l, path)) {
		free(path);
		diag_no_memory(l->diag);
		return false;
	}
	config->files = files;
	files[config->files_n] = path;
	l->files[config->files_n].location = *location;
	if (location->line == 0)
		l->files[config->files_n].location.file = path;
	config->files_n++;
	return true;
}

static char *join_path(const char *directory, const char *name)
{
	size_t n = strlen(directory);
	char *path;

	if (asprintf(&path, "%s%s%s", directory, directory[n - 1] == '/' ? "" : "/", name) < 0)
		return NULL;
	return path;
}

/* Of one that was named on the command line, or included at @location. */
static void find_directory(struct loader *l, const char *path,
			   const struct config_location *location)
{
	struct dirent **entries;
	bool is_good = true;
	struct stat st;
	int n;

	if (stat(path, &st) == 0)
		file_note(path, &st);
	n = scandir(path, &entries, is_ini_file, compare_entries);
	if (n < 0) {
		report_unreadable(l, location, path, strerrordesc_np(errno));
		return;
	}
	if (n == 0 && location->line == 0)
		diag_error(l->diag, location, "there is no *.ini in this directory");
	for (int i = 0; i < n; i++) {
		is_good = is_good && add_file(l, join_path(path, entries[i]->d_name), location);
		free(entries[i]);
	}
	free(entries);
}

static bool is_directory(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static void find_files(struct loader *l, const char *path)
{
	const struct config_location location = { .file = path };

	l->is_directory = is_directory(path);
	if (l->is_directory)
		find_directory(l, path, &location);
	else
		(void)add_file(l, strdup(path), &location);
}

/* ---- include ---- */

/* Relative to the directory of the file that says so. */
static char *resolve_include(const struct include_config *include)
{
	const char *file = include->location.file, *slash = strrchr(file, '/');
	char *path = NULL;

	if (include->path[0] == '/' || !slash)
		return strdup(include->path);
	if (asprintf(&path, "%.*s/%s", (int)(slash - file), file, include->path) < 0)
		return NULL;
	return path;
}

static void find_included(struct loader *l, const struct include_config *include)
{
	char *path = resolve_include(include);

	if (!path) {
		diag_no_memory(l->diag);
	} else if (is_directory(path)) {
		find_directory(l, path, &include->location);
		free(path);
	} else {
		(void)add_file(l, path, &include->location);
	}
}

/* What the files read so far include; their locations move with the array they are in. */
static void find_new_includes(struct loader *l)
{
	const struct global_config *global = &l->config->global;

	while (l->includes_n < global->includes_n && diag_has_room(l->diag))
		find_included(l, &global->includes[l->includes_n++]);
}

/* ---- read ---- */

/* By whatever name: reading it again would give all its sections twice. */
static bool is_read_already(const struct loader *l, size_t index, const struct stat *st)
{
	for (size_t i = 0; i < index; i++) {
		if (l->files[i].ino == st->st_ino && l->files[i].dev == st->st_dev)
			return true;
	}
	return false;
}

static void read_one(struct loader *l, size_t index)
{
	struct loaded_file *file = &l->files[index];
	const char *path = l->config->files[index], *why = NULL;
	/* A reload would wait for whoever is to write into it, and all others behind it. */
	const bool may_be_pipe = !l->known && !l->is_directory && file->location.line == 0;
	struct stat st = { 0 };

	if (stat(path, &st) == 0 && S_ISREG(st.st_mode)) {
		if (is_read_already(l, index, &st)) {
			diag_error(l->diag, &file->location, "'%.200s' is read already", path);
			return;
		}
		file->dev = st.st_dev;
		file->ino = st.st_ino;
	}
	why = config_file_read(&l->texts[index], path, may_be_pipe);
	l->config->has_lost_section |= why != NULL;
	if (why)
		report_unreadable(l, &file->location, path, why);
	else
		parser_read(&l->parser, &l->texts[index]);
}

static void read_files(struct loader *l)
{
	for (size_t i = 0; i < l->config->files_n; i++) {
		read_one(l, i);
		find_new_includes(l);
	}
}

static void finish_files(struct loader *l)
{
	for (size_t i = 0; l->texts && i < l->config->files_n; i++)
		config_file_finish(&l->texts[i]);
	free(l->texts);
	free(l->files);
	diag_set_files(l->diag, NULL, 0);
}

/* ---- the whole ---- */

static struct config *create_config(struct diag *diag)
{
	struct config *config = calloc(1, sizeof(*config));

	if (!config) {
		diag_no_memory(diag);
		return NULL;
	}
	config->global.set_at = parser_new_set_at(diag);
	if (!config->global.set_at) {
		free(config);
		return NULL;
	}
	directive_set_defaults(SECTION_GLOBAL, &config->global, diag);
	return config;
}

static void check_not_empty(const struct config *config, const char *name, struct diag *diag)
{
	const struct config_location location = { .file = name };

	/* A listener may be missing because its line is wrong. */
	if (config->listeners_n > 0 || diag_has_errors(diag))
		return;
	if (config->pools_n == 0 && config->global.location.line == 0)
		diag_error(diag, &location,
			   "there is no section in it ([listener NAME], [pool NAME])");
	else
		diag_error(diag, &location, "there is no [listener NAME]: nothing to do");
}

static struct config *check(struct loader *l, const char *name, bool ask)
{
	struct config *config = l->config;

	parser_finish(&l->parser);
	check_not_empty(config, name, l->diag);
	config_resolve(config, l->known, l->diag, ask);
	config_check_bind_conflicts(config, l->diag, ask);
	config_validate(config, l->diag, ask);
	if (l->more)
		l->more(config, l->diag, l->owner);
	finish_files(l);
	if (!diag_has_errors(l->diag))
		return config;
	config_destroy(config);
	return NULL;
}

struct config *config_load_again(const char *path, struct diag *diag, const struct config *known,
				 config_check_fn *more, void *owner)
{
	struct loader l = {
		.config = create_config(diag),
		.diag = diag,
		.known = known,
		.more = more,
		.owner = owner,
	};

	if (!l.config)
		return NULL;
	parser_init(&l.parser, l.config, diag);
	find_files(&l, path);
	read_files(&l);
	return check(&l, path, true);
}

struct config *config_load(const char *path, struct diag *diag, config_check_fn *more, void *owner)
{
	return config_load_again(path, diag, NULL, more, owner);
}

struct config *config_load_text(const char *name, const char *text, size_t bytes, struct diag *diag)
{
	struct loader l = { .config = create_config(diag), .diag = diag };
	const struct config_location nowhere = { 0 };

	if (!l.config)
		return NULL;
	parser_init(&l.parser, l.config, diag);
	if (add_file(&l, strdup(name), &nowhere)) {
		const char *kept = l.config->files[0];

		if (config_file_copy(&l.texts[0], kept, text, bytes))
			parser_read(&l.parser, &l.texts[0]);
		else
			diag_no_memory(diag);
	}
	return check(&l, name, false);
}

void config_destroy(struct config *config)
{
	if (!config)
		return;
	for (size_t i = 0; i < config->listeners_n; i++) {
		struct listener_config *listener = &config->listeners[i];

		directive_release(SECTION_LISTENER, listener);
		free(listener->set_at);
	}
	for (size_t i = 0; i < config->pools_n; i++) {
		directive_release(SECTION_POOL, &config->pools[i]);
		free(config->pools[i].set_at);
	}
	for (size_t i = 0; i < config->files_n; i++)
		free(config->files[i]);
	directive_release(SECTION_GLOBAL, &config->global);
	free(config->listeners);
	free(config->pools);
	free(config->files);
	free(config->global.set_at);
	free(config);
}
