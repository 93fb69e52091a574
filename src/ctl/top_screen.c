/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ctl/top_screen.h"

#include <curses.h>
#include <locale.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ctl/cell.h"
#include "ctl/top_detail.h"

#define NO_ROOM "no room for the question"
#define COLUMNS_MAX 16
#define HEAD_LINES 3         /* and what needs attention between the last two */
#define NOTES_LINES_OTHER 12 /* that must be left beside each line of that for all else */
#define NOTES_SHARE 4
#define DETAIL_LINES_OTHER 8 /* that must be left for all else */
#define ESCAPE_MS 50
#define GAP 2

enum colour { COLOUR_GOOD = 1, COLOUR_BAD, COLOUR_ASIDE };

static SCREEN *terminal;

bool top_screen_open(void)
{
	setlocale(LC_ALL, "");
	terminal = newterm(NULL, stdout, stdin);
	if (!terminal)
		return false;
	cbreak();
	noecho();
	keypad(stdscr, TRUE);
	set_escdelay(ESCAPE_MS);
	curs_set(0);
	if (has_colors()) {
		start_color();
		use_default_colors();
		init_pair(COLOUR_GOOD, COLOR_GREEN, -1);
		init_pair(COLOUR_BAD, COLOR_RED, -1);
		init_pair(COLOUR_ASIDE, COLOR_YELLOW, -1);
	}
	return true;
}

void top_screen_close(void)
{
	endwin();
	delscreen(terminal);
}

static int next_key(void)
{
	static const struct {
		int curses, ours;
	} keys[] = {
		{ ERR, TOP_KEY_NONE },
		{ KEY_UP, TOP_KEY_UP },
		{ 'k', TOP_KEY_UP },
		{ KEY_DOWN, TOP_KEY_DOWN },
		{ 'j', TOP_KEY_DOWN },
		{ KEY_PPAGE, TOP_KEY_PAGE_UP },
		{ KEY_NPAGE, TOP_KEY_PAGE_DOWN },
		{ KEY_HOME, TOP_KEY_FIRST },
		{ KEY_END, TOP_KEY_LAST },
		{ '\n', TOP_KEY_ENTER },
		{ '\r', TOP_KEY_ENTER },
		{ KEY_ENTER, TOP_KEY_ENTER },
		{ KEY_RIGHT, TOP_KEY_ENTER },
		{ 27, TOP_KEY_BACK },
		{ KEY_LEFT, TOP_KEY_BACK },
		{ KEY_BACKSPACE, TOP_KEY_BACK },
		{ '\t', TOP_KEY_NEXT },
		{ KEY_BTAB, TOP_KEY_BEFORE },
		{ KEY_RESIZE, TOP_KEY_RESIZE },
	};
	int key;

	timeout(0);
	key = getch();
	for (size_t n = 0; n < ARRAY_LEN(keys); n++)
		if (keys[n].curses == key)
			return keys[n].ours;
	return key < 256 ? key : TOP_KEY_RESIZE;
}

/* What the terminal has sent already may be with the library: it is asked first. */
int top_screen_key(int ms, int fd)
{
	struct pollfd fds[] = { { .fd = STDIN_FILENO, .events = POLLIN },
				{ .fd = fd, .events = POLLIN } };
	int key = next_key();

	if (key != TOP_KEY_NONE)
		return key;
	(void)poll(fds, ARRAY_LEN(fds), ms);
	return next_key();
}

/* ---- tables -------------------------------------------------------------- */

struct layout {
	const struct top_table *table;
	int widths[COLUMNS_MAX];
	bool is_number[COLUMNS_MAX], is_there[COLUMNS_MAX];
};

static const char *kind_of(const json_t *row)
{
	const char *kind = json_string_value(json_object_get(row, "row"));

	return kind ? kind : "";
}

static bool is_of(const json_t *row, const struct top_table *table)
{
	return strcmp(kind_of(row), table->kind) == 0;
}

static void measure(struct layout *l, const struct top_table *table, const json_t *rows)
{
	char text[CELL_BYTES];
	json_t *row;
	size_t n;

	*l = (struct layout){ .table = table };
	for (size_t i = 0; i < table->columns_n; i++) {
		l->widths[i] = cell_width(table->columns[i].title);
		l->is_number[i] = true;
		l->is_there[i] = !table->columns[i].is_optional;
	}
	json_array_foreach(rows, n, row)
	{
		for (size_t i = 0; is_of(row, table) && i < table->columns_n; i++) {
			const json_t *value = json_object_get(row, table->columns[i].key);

			cell_write(table->columns[i].key, value, text);
			l->widths[i] = MAX(l->widths[i], cell_width(text));
			l->is_number[i] &= !value || json_is_integer(value);
			l->is_there[i] |= value != NULL;
		}
	}
}

/* Bytes of the first @width letters. */
static int cut(const char *text, int width)
{
	int n = 0;

	while (text[n] && (width > 0 || ((unsigned char)text[n] & 0xc0) == 0x80)) {
		width -= ((unsigned char)text[n] & 0xc0) != 0x80;
		n++;
	}
	return n;
}

static void draw_text(int y, int x, const char *text)
{
	if (x < COLS && y < LINES)
		mvaddnstr(y, x, text, cut(text, COLS - x));
}

static int colour_of(const char *state)
{
	static const struct {
		const char *state;
		enum colour colour;
	} colours[] = {
		{ "ready", COLOUR_GOOD },  { "down", COLOUR_BAD },     { "ejected", COLOUR_BAD },
		{ "drain", COLOUR_ASIDE }, { "maint", COLOUR_ASIDE },  { "leaving", COLOUR_ASIDE },
		{ "wait", COLOUR_ASIDE },  { "refuse", COLOUR_ASIDE }, { "standby", COLOUR_ASIDE },
	};

	for (size_t n = 0; n < ARRAY_LEN(colours); n++)
		if (strcmp(colours[n].state, state) == 0)
			return (int)COLOR_PAIR(colours[n].colour);
	return 0;
}

static void draw_cell(const struct layout *l, size_t i, int y, int x, const char *text)
{
	int space = l->is_number[i] ? l->widths[i] - cell_width(text) : 0;
	int colour = has_colors() ? colour_of(text) : 0;

	attron(colour);
	draw_text(y, x + space, text);
	attroff(colour);
}

static bool has_room(const struct layout *l, size_t i, int x)
{
	/* One of the first may be cut, and so may the last, which are words. */
	return x < COLS && (i < 2 || i + 1 == l->table->columns_n || x + l->widths[i] <= COLS);
}

static void draw_row(const struct layout *l, int y, const json_t *row)
{
	char text[CELL_BYTES];
	int x = 0;

	for (size_t i = 0; i < l->table->columns_n; i++) {
		const struct top_column *c = &l->table->columns[i];

		if (!l->is_there[i])
			continue;
		if (!has_room(l, i, x))
			break;
		draw_cell(l, i, y, x,
			  row ? cell_write(c->key, json_object_get(row, c->key), text) : c->title);
		x += l->widths[i] + GAP;
	}
}

/* ---- the picture --------------------------------------------------------- */

/* Tables with titles above and an empty line between; what lies above @from is not seen. */
struct place {
	int y, from, head, bottom; /* head: lines above the tables */
};

static bool step_down(struct place *at)
{
	bool is_seen = at->y >= at->from && at->y - at->from + at->head < at->bottom;

	at->y++;
	return is_seen;
}

static int line_of(const struct place *at)
{
	return at->y - 1 - at->from + at->head;
}

/* Over the first row that is seen, where there is room for more. */
static void draw_title(const struct layout *l, int line, int bottom)
{
	if (line + 2 >= bottom)
		return;
	move(line, 0);
	clrtoeol();
	attron(A_BOLD);
	draw_row(l, line, NULL);
	attroff(A_BOLD);
}

static void draw_table(const struct top_picture *p, const struct top_table *table, struct place *at)
{
	struct layout l;
	bool is_first = true;
	json_t *row;
	size_t n;
	int title = 0;

	measure(&l, table, p->rows);
	json_array_foreach(p->rows, n, row)
	{
		if (!is_of(row, table))
			continue;
		if (is_first && at->y > 0)
			at->y++;
		if (is_first)
			title = at->y;
		attron(A_BOLD);
		if (is_first && step_down(at))
			draw_row(&l, line_of(at), NULL);
		attroff(A_BOLD);
		is_first = false;
		if (!step_down(at))
			continue;
		draw_row(&l, line_of(at), row);
		if (n == p->chosen)
			mvchgat(line_of(at), 0, -1, A_REVERSE, 0, NULL);
	}
	/* Its title has been scrolled away, and rows of it are seen. */
	if (!is_first && title < at->from && at->y > at->from + 1)
		draw_title(&l, at->head, at->bottom);
}

/* In which lines of all the chosen row is, and the title above it; and how many there are. */
struct lines {
	int chosen, title, all;
};

static void find_lines(const struct top_picture *p, struct lines *ret)
{
	json_t *row;
	size_t n;
	int y = 0, title = 0;

	*ret = (struct lines){ 0 };
	for (size_t t = 0; t < p->tables_n; t++) {
		bool is_first = true;

		json_array_foreach(p->rows, n, row)
		{
			if (!is_of(row, &p->tables[t]))
				continue;
			if (is_first)
				title = y + (y > 0);
			y = is_first ? title + 1 : y;
			is_first = false;
			if (n == p->chosen)
				*ret = (struct lines){ .chosen = y, .title = title };
			y++;
		}
	}
	ret->all = y;
}

/* Which line is the first that is seen: the chosen row is, with its title if that can be. */
static int first_line(const struct top_picture *p, int room)
{
	struct lines lines;

	find_lines(p, &lines);
	if (room <= 0 || lines.chosen < room)
		return 0;
	if (lines.chosen - lines.title >= room)
		return lines.chosen - room + 1;
	return MIN(lines.title, MAX(lines.all - room, lines.chosen - room + 1));
}

/* ---- what needs attention ------------------------------------------------- */

static bool is_note(const json_t *row)
{
	return strcmp(kind_of(row), "attention") == 0;
}

/* Those that have room, the gravest first, and how many more there are; gives how many lines. */
static int draw_notes(const struct top_picture *p)
{
	const int room = LINES < NOTES_LINES_OTHER ? 0 : (LINES - NOTES_LINES_OTHER) / NOTES_SHARE;
	char text[TOP_DETAIL_BYTES];
	int all = 0, line = 0;
	json_t *row;
	size_t n;

	json_array_foreach(p->rows, n, row)
	{
		all += is_note(row);
	}
	json_array_foreach(p->rows, n, row)
	{
		if (!is_note(row) || line >= (all > room ? room - 1 : room))
			continue;
		top_detail_note(row, text);
		attron(has_colors() ? colour_of(text[1] == '!' ? "down" : "drain") : 0);
		draw_text(2 + line++, 0, text);
		attrset(A_NORMAL);
	}
	if (all > line && room > 0) {
		snprintf(text, sizeof(text), "   and %d more: Shift-Tab", all - line);
		draw_text(2 + line++, 0, text);
	}
	return line;
}

/* Bytes of @text that stand in one line: whole words, if that can be, and the space behind. */
static int line_bytes(const char *text)
{
	int whole = cut(text, COLS), n = whole;

	while (text[whole] && n > 0 && text[n - 1] != ' ')
		n--;
	return n > 0 ? n : whole;
}

/* How many lines of the screen it takes; 0 where tables have no room beside it. */
static int detail_lines(const char *detail)
{
	int lines = 0;

	for (; *detail; detail += line_bytes(detail))
		lines++;
	return LINES - lines >= DETAIL_LINES_OTHER ? lines : 0;
}

static void draw_detail(const char *detail, int lines)
{
	for (int n = 0; n < lines; n++) {
		int bytes = line_bytes(detail);

		mvaddnstr(LINES - 1 - lines + n, 0, detail, bytes);
		detail += bytes;
	}
}

bool top_screen_shows(const char *line)
{
	return strlen(line) <= (size_t)COLS;
}

static void draw_foot(const struct top_picture *p)
{
	int attributes = p->is_question ? A_BOLD | A_REVERSE : p->is_trouble ? A_BOLD : A_DIM;

	attron(attributes);
	draw_text(LINES - 1, 0, p->is_question && !top_screen_shows(p->foot) ? NO_ROOM : p->foot);
	attroff(attributes);
}

void top_screen_draw(const struct top_picture *p)
{
	const int lines = detail_lines(p->detail);
	struct place at = { .bottom = LINES - 1 - lines };

	erase();
	at.head = HEAD_LINES + draw_notes(p);
	at.from = first_line(p, at.bottom - at.head);
	for (size_t t = 0; t < p->tables_n; t++)
		draw_table(p, &p->tables[t], &at);
	attron(A_BOLD);
	draw_text(0, 0, p->head);
	attroff(A_BOLD);
	draw_text(1, 0, p->rates);
	draw_detail(p->detail, lines);
	draw_foot(p);
	refresh();
}
