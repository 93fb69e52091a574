/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libmicrohttpd, whose epoll descriptor is polled by the main thread's ring:
 * it has no thread, and waits for nothing by itself.
 */
#include "status/status.h"

#include <errno.h>
#include <fcntl.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "admin/context.h"
#include "answer.h"
#include "base/log.h"
#include "io/loop.h"
#include "io/op.h"
#include "net/addr.h"
#include "net/sock.h"
#include "status/clients.h"

#define BACKLOG 128

/* Who says nothing, or reads nothing, is let go; and who is too slow: see clients.h. */
#define CLIENT_TIMEOUT_S 10
#define CLIENT_BYTES_MAX 16384 /* for a request's head */

/*
 * With no file left, or with as many clients as it takes, libmicrohttpd takes its
 * socket out of the epoll set, and puts it back when it is run after one has
 * gone: nothing else would wake it then.
 */
#define LOOK_MS 500

/* How soon an address that is in use is tried again. */
#define RETRY_MS 500

struct status {
	/* Of the configuration it was made from, which a reload frees. */
	bool is_on, is_free;
	struct addr addr;
	struct sock_access access;
	struct control_context *context;
	struct MHD_Daemon *daemon; /* NULL: it does not listen */
	struct answers answers;
	struct clients clients;
	uint64_t reloads; /* of which the clients are known to be allowed */
	struct sock_file file;
	int epoll_fd;
	struct io_op poll, cancel;
	struct timer timer; /* for what libmicrohttpd has to do at a time */
	struct timer retry;
	bool is_waiting; /* for its address, which was said */
	bool is_stopped;
};

/* ---- what libmicrohttpd asks ------------------------------------------------ */

static bool may_ask(const void *owner, const struct addr *addr)
{
	const struct status *s = owner;
	const struct status_config *newest = &runtime_config(s->context->runtime)->global.status;

	if (newest->allow_n == 0 || addr_is_unix(&s->addr))
		return true;
	for (size_t n = 0; n < newest->allow_n; n++)
		if (addr_block_has(&newest->allow[n].block, addr))
			return true;
	return false;
}

static enum MHD_Result may_connect(void *cls, const struct sockaddr *sa, socklen_t len)
{
	struct addr addr;

	addr_from_sockaddr(&addr, sa, len);
	return may_ask(cls, &addr) ? MHD_YES : MHD_NO;
}

/* What the library says no length of. */
static socklen_t bytes_of(const struct sockaddr *sa)
{
	if (sa->sa_family == AF_INET6)
		return sizeof(struct sockaddr_in6);
	return sa->sa_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(sa->sa_family);
}

static const union MHD_ConnectionInfo *info_of(struct MHD_Connection *connection,
					       enum MHD_ConnectionInfoType what)
{
	return MHD_get_connection_info(connection, what);
}

/* One for whom there was no room has none. */
static struct client *client_of(struct MHD_Connection *connection)
{
	return info_of(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
}

/* It is told of a connection's end before its descriptor is closed. */
static void on_connection(void *cls, struct MHD_Connection *connection, void **client,
			  enum MHD_ConnectionNotificationCode what)
{
	struct status *s = cls;
	struct addr addr;

	if (what == MHD_CONNECTION_NOTIFY_STARTED) {
		const struct sockaddr *sa =
			info_of(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS)->client_addr;
		int fd = info_of(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;

		addr_from_sockaddr(&addr, sa, bytes_of(sa));
		*client = clients_add(&s->clients, fd, &addr, s->context->loop->now_ms);
	} else if (*client) {
		client_remove(*client);
		*client = NULL;
	}
}

static void on_answered(void *cls, struct MHD_Connection *connection, void **request,
			enum MHD_RequestTerminationCode how)
{
	const struct status *s = cls;
	struct client *client = client_of(connection);

	(void)request;
	(void)how;
	if (client)
		client_has_answer(client, s->context->loop->now_ms);
}

/* Its head is whole. False: who asks must no longer. */
static bool begin_request(const struct status *s, struct MHD_Connection *connection)
{
	struct client *client = client_of(connection);

	if (!client)
		return true;
	client_asks(client, s->context->loop->now_ms);
	return may_ask(s, &client->addr);
}

static bool has_body(struct MHD_Connection *connection)
{
	const char *length = MHD_lookup_connection_value(connection, MHD_HEADER_KIND,
							 MHD_HTTP_HEADER_CONTENT_LENGTH);

	return (length && strcmp(length, "0") != 0) ||
	       MHD_lookup_connection_value(connection, MHD_HEADER_KIND,
					   MHD_HTTP_HEADER_TRANSFER_ENCODING);
}

/*
 * The library asks when it has the head, and again when it has the rest: to
 * answer then keeps the connection. A body, which nobody wants, is not waited for.
 */
/* lint: not our signature */
static enum MHD_Result on_request(void *cls, struct MHD_Connection *connection, const char *path,
				  const char *method, const char *version, const char *bytes,
				  size_t *n, void **request)
{
	const bool may_answer = strcmp(method, MHD_HTTP_METHOD_GET) == 0 ||
				strcmp(method, MHD_HTTP_METHOD_HEAD) == 0;
	const bool is_first = !*request;
	struct status *s = cls;

	(void)version;
	(void)bytes;
	*request = s;
	if (is_first && !begin_request(s, connection))
		return MHD_NO;
	if (!may_answer)
		return answer_method(connection) ? MHD_YES : MHD_NO;
	if (is_first && !has_body(connection))
		return MHD_YES;
	*n = 0;
	return answer_path(&s->answers, connection, path) ? MHD_YES : MHD_NO;
}

/* ---- on the loop ------------------------------------------------------------ */

static void wait_for_work(struct status *s)
{
	struct loop *loop = s->context->loop;
	MHD_UNSIGNED_LONG_LONG ms;

	if (!s->daemon || s->is_stopped)
		return;
	if (MHD_get_timeout(s->daemon, &ms) != MHD_YES || ms > LOOK_MS)
		ms = LOOK_MS;
	timer_set(&loop->timers, &s->timer, loop->now_ms + ms);
	if (!s->poll.in_kernel)
		io_poll(loop->ring, &s->poll, s->epoll_fd, POLLIN | POLLRDHUP);
}

static void look_at_clients(struct status *s)
{
	const struct reload_tally *reloads = &s->context->runtime->reloads;

	clients_tick(&s->clients, s->context->loop->now_ms);
	if (reloads->done != s->reloads)
		clients_recheck(&s->clients, may_ask, s);
	s->reloads = reloads->done;
}

static void work(struct status *s)
{
	if (!s->daemon || s->is_stopped)
		return;
	look_at_clients(s);
	(void)MHD_run(s->daemon);
	wait_for_work(s);
}

static void on_ready(struct io_op *op, int res, unsigned flags)
{
	(void)res;
	(void)flags;
	work(container_of(op, struct status, poll));
}

static void on_timer(struct timer *timer)
{
	work(container_of(timer, struct status, timer));
}

static void on_cancelled(struct io_op *op, int res, unsigned flags)
{
	(void)op;
	(void)res;
	(void)flags;
}

/* ---- the socket --------------------------------------------------------------- */

static void log_failed(const struct status *s, const char *step, int err)
{
	char text[ADDR_TEXT_BYTES];
	struct log_line line;

	if (!log_begin(&line, err == -EADDRINUSE ? LOG_WARN : LOG_ERROR, "cannot listen"))
		return;
	log_text(&line, "section", "global");
	log_text(&line, "directive", "status");
	log_text(&line, "addr", addr_format(&s->addr, text));
	log_text(&line, "call", step);
	log_errno(&line, "error", err);
	log_end(&line);
}

static void log_listening(int fd)
{
	char text[ADDR_TEXT_BYTES];
	struct log_line line;
	struct addr addr;

	if (sock_local_addr(fd, &addr) < 0 || !log_begin(&line, LOG_INFO, "status"))
		return;
	log_text(&line, "addr", addr_format(&addr, text));
	log_end(&line);
}

static int open_socket(struct status *s, int *ret_fd, const char **ret_step)
{
	const struct sock_listen wanted = {
		.addr = s->addr,
		.backlog = BACKLOG,
		.is_free = s->is_free,
		.access = s->access,
		.ret_file = &s->file,
	};

	int err = sock_listen_many(&wanted, ret_fd, 1, ret_step);

	if (err == 0 && fcntl(*ret_fd, F_SETFL, O_NONBLOCK) < 0) {
		err = -errno;
		close(*ret_fd);
	}
	return err;
}

static struct MHD_Daemon *start_daemon(struct status *s, int fd)
{
	return MHD_start_daemon(MHD_USE_EPOLL, 0, may_connect, s, on_request, s,
				MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT,
				(unsigned)(CLIENTS_MAX + CLIENTS_GOING_MAX),
				MHD_OPTION_NOTIFY_CONNECTION, on_connection, s,
				MHD_OPTION_NOTIFY_COMPLETED, on_answered, s,
				MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)CLIENT_TIMEOUT_S,
				MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CLIENT_BYTES_MAX,
				MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1, MHD_OPTION_END);
}

static int begin_to_listen(struct status *s)
{
	const union MHD_DaemonInfo *info;
	const char *step;
	int fd, err;

	err = open_socket(s, &fd, &step);
	if (err == 0) {
		s->daemon = start_daemon(s, fd); /* has taken the socket */
		if (s->daemon) {
			info = MHD_get_daemon_info(s->daemon, MHD_DAEMON_INFO_EPOLL_FD);
			s->epoll_fd = info->epoll_fd;
			log_listening(fd);
			return 0;
		}
		close(fd);
		step = "MHD_start_daemon";
		err = -ENOMEM;
	}
	if (err != -EADDRINUSE || !s->is_waiting)
		log_failed(s, step, err);
	s->is_waiting = true;
	return err;
}

static void on_retry(struct timer *timer)
{
	struct status *s = container_of(timer, struct status, retry);
	struct loop *loop = s->context->loop;

	s->context->has_no_page = begin_to_listen(s) < 0;
	if (!s->context->has_no_page)
		wait_for_work(s);
	else
		timer_set(&loop->timers, &s->retry, loop->now_ms + RETRY_MS);
}

/* ---- life ----------------------------------------------------------------------- */

struct status *status_create(const struct status_config *config, struct control_context *context,
			     int *ret_err)
{
	struct status *s = calloc(1, sizeof(*s));

	*ret_err = -ENOMEM;
	if (!s)
		return NULL;
	s->is_on = config->is_on;
	if (s->is_on) {
		s->addr = config->at.addrs[0];
		s->is_free = config->at.is_free;
		s->access = config->at.access;
	}
	s->context = context;
	io_op_init(&s->poll, on_ready);
	io_op_init(&s->cancel, on_cancelled);
	timer_init(&s->timer, on_timer);
	timer_init(&s->retry, on_retry);
	answers_init(&s->answers, context);
	clients_init(&s->clients);
	*ret_err = s->is_on ? begin_to_listen(s) : 0;
	if (*ret_err == 0 || *ret_err == -EADDRINUSE)
		return s;
	free(s);
	return NULL;
}

bool status_is_at(const struct status *s, const struct status_config *config)
{
	if (!s->is_on || !config->is_on)
		return s->is_on == config->is_on;
	return addr_is_equal(&s->addr, &config->at.addrs[0]) &&
	       s->addr.is_dual == config->at.addrs[0].is_dual;
}

bool status_is_waiting(const struct status *s)
{
	return s->is_on && !s->daemon;
}

void status_set_access(struct status *s, const struct sock_access *access)
{
	int err = 0;

	if (s->daemon && addr_is_unix(&s->addr) && !sock_access_is_equal(&s->access, access))
		err = sock_file_change(&s->addr, &s->file, access);
	if (err < 0)
		log_say(LOG_WARN, "%s: who may connect is as before: %s", s->addr.un.sun_path,
			strerror(-err));
	s->access = *access;
}

void status_start(struct status *s)
{
	struct loop *loop = s->context->loop;

	s->context->has_no_page = status_is_waiting(s);
	if (s->daemon)
		wait_for_work(s);
	else if (s->is_on)
		timer_set(&loop->timers, &s->retry, loop->now_ms + RETRY_MS);
}

void status_stop(struct status *s)
{
	struct loop *loop = s->context->loop;

	s->is_stopped = true;
	answers_stop(&s->answers);
	timer_stop(&loop->timers, &s->timer);
	timer_stop(&loop->timers, &s->retry);
	if (s->poll.in_kernel && !s->cancel.in_kernel)
		io_cancel(loop->ring, &s->cancel, &s->poll);
}

bool status_is_idle(const struct status *s)
{
	return !s->poll.in_kernel && !s->cancel.in_kernel;
}

void status_destroy(struct status *s)
{
	if (!s)
		return;
	if (s->daemon) {
		MHD_stop_daemon(s->daemon);
		sock_file_remove(&s->addr, &s->file);
	}
	answers_finish(&s->answers);
	free(s);
}
