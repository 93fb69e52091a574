/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config/load.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "config/bind_conflicts.h"
#include "config/parse.h"
#include "config/resolve.h"
#include "config/setting.h"
#include "config/validate.h"

struct loader {
	struct config *config;
	struct diag *diag;
	struct config_file *files; /* one for each of config->files */
	bool is_directory;         /* they were found in one; otherwise somebody named the file */
	struct parser parser;
	config_check_fn *more; /* of the caller, or NULL */
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

/* Takes @path, a string from malloc(3). */
static bool add_file(struct config *config, char *path, struct diag *diag)
{
	char **files = path ? setting_grow(diag, config->files, config->files_n, sizeof(*files))
			    : NULL;

	if (!files) {
		free(path);
		diag_no_memory(diag);
		return false;
	}
	config->files = files;
	files[config->files_n++] = path;
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

static void find_directory(struct config *config, const char *path, struct diag *diag)
{
	const struct config_location location = { .file = path };
	struct dirent **entries;
	bool is_good = true;
	int n = scandir(path, &entries, is_ini_file, compare_entries);

	if (n < 0) {
		diag_error(diag, &location, "cannot be read: %s", strerrordesc_np(errno));
		return;
	}
	if (n == 0)
		diag_error(diag, &location, "there is no *.ini in this directory");
	for (int i = 0; i < n; i++) {
		is_good = is_good && add_file(config, join_path(path, entries[i]->d_name), diag);
		free(entries[i]);
	}
	free(entries);
}

static void find_files(struct loader *l, const char *path)
{
	struct stat st;

	l->is_directory = stat(path, &st) == 0 && S_ISDIR(st.st_mode);
	if (l->is_directory)
		find_directory(l->config, path, l->diag);
	else
		(void)add_file(l->config, strdup(path), l->diag);
}

static bool make_files(struct loader *l)
{
	struct config *config = l->config;

	l->files = calloc(config->files_n + 1, sizeof(*l->files));
	if (!l->files) {
		diag_no_memory(l->diag);
		return false;
	}
	for (size_t i = 0; i < config->files_n; i++)
		l->files[i].name = config->files[i];
	diag_set_files(l->diag, l->files, config->files_n);
	return true;
}

static void read_files(struct loader *l)
{
	for (size_t i = 0; i < l->config->files_n; i++) {
		const char *path = l->config->files[i];
		const char *why = config_file_read(&l->files[i], path, !l->is_directory);
		const struct config_location location = { .file = path };

		l->config->has_lost_section |= why != NULL;
		if (why)
			diag_error(l->diag, &location, "cannot be read: %s", why);
		else
			parser_read(&l->parser, &l->files[i]);
	}
}

static void finish_files(struct loader *l)
{
	for (size_t i = 0; l->files && i < l->config->files_n; i++)
		config_file_finish(&l->files[i]);
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
	config_resolve(config, l->diag, ask);
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

struct config *config_load(const char *path, struct diag *diag, config_check_fn *more, void *owner)
{
	struct loader l = {
		.config = create_config(diag), .diag = diag, .more = more, .owner = owner
	};

	if (!l.config)
		return NULL;
	parser_init(&l.parser, l.config, diag);
	find_files(&l, path);
	if (make_files(&l))
		read_files(&l);
	return check(&l, path, true);
}

struct config *config_load_text(const char *name, const char *text, size_t bytes, struct diag *diag)
{
	struct loader l = { .config = create_config(diag), .diag = diag };

	if (!l.config)
		return NULL;
	parser_init(&l.parser, l.config, diag);
	if (add_file(l.config, strdup(name), diag) && make_files(&l)) {
		const char *kept = l.config->files[0];

		if (config_file_copy(&l.files[0], kept, text, bytes))
			parser_read(&l.parser, &l.files[0]);
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
