/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/list.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct item {
	int number;
	struct list node;
};

static void fill(struct list *head, struct item *items, int n)
{
	list_init(head);
	for (int i = 0; i < n; i++) {
		items[i].number = i;
		list_init(&items[i].node);
		list_append(head, &items[i].node);
	}
}

static int sum_in_order(const struct list *head)
{
	int sum = 0;

	list_for_each(at, head)
		sum = sum * 10 + container_of(at, struct item, node)->number;
	return sum;
}

static void appended_nodes_come_in_order(void **state)
{
	struct item items[5];
	struct list head;

	(void)state;
	fill(&head, items, 5);
	assert_int_equal(sum_in_order(&head), 1234);
	assert_false(list_is_empty(&head));
}

static void append_before_a_node_inserts(void **state)
{
	struct item items[3], extra = { .number = 9 };
	struct list head;

	(void)state;
	fill(&head, items, 3);
	list_append(&items[2].node, &extra.node);
	assert_int_equal(sum_in_order(&head), 192);
}

static void remove_is_harmless_twice(void **state)
{
	struct item items[3];
	struct list head;

	(void)state;
	fill(&head, items, 3);
	list_remove(&items[1].node);
	list_remove(&items[1].node);
	assert_true(list_is_empty(&items[1].node));
	assert_int_equal(sum_in_order(&head), 2);
}

static void take_first_empties_from_the_front(void **state)
{
	struct item items[2];
	struct list head;

	(void)state;
	fill(&head, items, 2);
	assert_ptr_equal(list_take_first(&head), &items[0].node);
	assert_true(list_is_empty(&items[0].node));
	assert_ptr_equal(list_take_first(&head), &items[1].node);
	assert_null(list_take_first(&head));
	assert_true(list_is_empty(&head));
}

static void move_all_keeps_the_order_and_empties_the_source(void **state)
{
	struct item items[4];
	struct list from, to;

	(void)state;
	fill(&from, items, 4);
	list_init(&to);
	list_move_all(&to, &from);
	assert_true(list_is_empty(&from));
	assert_int_equal(sum_in_order(&to), 123);
	list_remove(&items[0].node);
	list_remove(&items[3].node);
	assert_int_equal(sum_in_order(&to), 12);

	list_move_all(&to, &from);
	assert_int_equal(sum_in_order(&to), 12);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(appended_nodes_come_in_order),
		cmocka_unit_test(append_before_a_node_inserts),
		cmocka_unit_test(remove_is_harmless_twice),
		cmocka_unit_test(take_first_empties_from_the_front),
		cmocka_unit_test(move_all_keeps_the_order_and_empties_the_source),
	};

	return cmocka_run_group_tests_name("list", tests, NULL, NULL);
}
