/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONFIG_CONFIG_H
#define CONFIG_CONFIG_H

/*
 * What the operator asked for, as plain structs: read by load.c, checked by
 * validate.c, then never changed. Whoever runs sessions keeps pointers into
 * it for as long as the configuration lives. Names of keys and fields are the
 * same, but for units, which are in the field names. Every field but names,
 * locations and links is one row of the table in directive.c.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/log.h"
#include "net/addr.h"
#include "net/sock.h"
#include "net/sock_file.h"
#include "x509/identity.h"

struct log_template;

#define CONFIG_NAME_BYTES 64            /* of a listener, pool or backend, with its NUL */
#define CONFIG_SESSIONS_MAX (16u << 20) /* that any limit may allow: more than fds can be had */
#define CONFIG_WORKERS_MAX 256u
#define CONFIG_TRIES_MAX 8u            /* to find a backend, for one session */
#define CONFIG_BACKENDS_MAX 1024u      /* of a pool */
#define CONFIG_TIERS_MAX 8u            /* of them, numbered from 0 */
#define CONFIG_HASH_SLOTS_SMALL 65537u /* sizes of a table of hashes, both prime */
#define CONFIG_HASH_SLOTS_LARGE 655373u
#define CONFIG_STATUSES_MAX 8u /* ranges of an HTTP status */
#define CONFIG_CHECK_STEPS_MAX 64u
#define CONFIG_CHECK_GROUP_MAX 8u     /* patterns that are alternatives */
#define CONFIG_CHECK_SEND_BYTES 1024u /* in one go */
#define CONFIG_CHECK_PATTERN_BYTES 256u
#define CONFIG_CHECK_NAME_BYTES 128u /* of a user or a database, with its NUL */
#define CONFIG_CHECK_PATH_BYTES 1024u
#define CONFIG_ADDRS_MAX 16u /* of one host name to listen on */

/*
 * A worker relays through buffers of this size, and needs four to do anything
 * at all: two lanes of a session, each with one buffer coming in and one
 * going out. A TLS record with its header and padding fits into one.
 */
#define CONFIG_BUFFER_BYTES 17408u
#define CONFIG_WORKER_BUFFERS_MIN 4u
#define CONFIG_WORKER_BUFFERS_MAX 65535u /* the kernel counts them with 16 bits */

/* Where a section has a directive from. */
enum config_origin {
	ORIGIN_OWN,      /* it stands there, or nowhere */
	ORIGIN_LIKE,     /* the pool that it is like */
	ORIGIN_DEFAULTS, /* the [defaults ...] of its kind */
	CONFIG_ORIGINS,
};

/* Where something was written, for messages long after it was read. */
struct config_location {
	const char *file; /* owned by the configuration */
	unsigned line;    /* from 1; 0: it is a default, or the file as a whole */
	unsigned column;  /* in bytes, from 1; 0: the line as a whole */
	unsigned width;   /* in bytes, to underline */
	enum config_origin origin;
	bool has_variable; /* of the environment */
};

enum relay_mode { RELAY_AUTO, RELAY_COPY, RELAY_SPLICE, RELAY_MODES };
enum balance_kind {
	BALANCE_ROUNDROBIN,
	BALANCE_LEASTCONN,
	BALANCE_RANDOM,
	BALANCE_MAGLEV,
	BALANCE_FIRST,
	BALANCE_KINDS,
};

/* Auto: what the backend says to its protocol's own request for TLS is the answer to the client. */
enum tls_mode {
	TLS_MODE_OFF,
	TLS_MODE_PASSTHROUGH,
	TLS_MODE_TERMINATE,
	TLS_MODE_AUTO, /* only where it can be: see config_validate() */
	TLS_MODES
};
/* Index into what is written: auto, 1.2, 1.3. */
enum tls_floor { TLS_FLOOR_AUTO, TLS_FLOOR_12, TLS_FLOOR_13, TLS_FLOORS };
enum protocol_kind { PROTOCOL_ANY, PROTOCOL_POSTGRES, PROTOCOLS };
enum proxy_version { PROXY_OFF, PROXY_V1, PROXY_V2, PROXY_VERSIONS };
enum route_kind {
	ROUTE_SNI,
	ROUTE_ALPN,
	ROUTE_DATABASE,
	ROUTE_USER,
	ROUTE_CLIENT_SAN,
	ROUTE_KINDS
};
/* In front of everything else: no header, or always one. Never guessed. */
enum proxy_header { PROXY_HEADER_OFF, PROXY_HEADER_ACCEPT, PROXY_HEADERS };

/*
 * What tells one client from another, for hashing and for sticking to a
 * backend. A client without a name, or without TLS, is known by its source;
 * one that comes over a unix socket is not known at all.
 */
enum client_key {
	CLIENT_KEY_NONE,
	CLIENT_KEY_SOURCE,
	CLIENT_KEY_SNI,
	CLIENT_KEY_DESTINATION, /* what it connected to, address and port */
	CLIENT_KEYS,
};

/* What becomes of a connection whose source is over one of its limits. */
enum over_limit { OVER_LIMIT_CLOSE, OVER_LIMIT_DROP, OVER_LIMITS }; /* drop: without a word */

/* Which lines a session has in the log: at its end, also at its start, only if unusual, none. */
enum log_sessions {
	LOG_SESSIONS_END,
	LOG_SESSIONS_BOTH,
	LOG_SESSIONS_UNUSUAL,
	LOG_SESSIONS_OFF,
	LOG_SESSIONS_KINDS
};

/* What happens to a connection that a rule does not expect. */
enum unmatched { UNMATCHED_POOL, UNMATCHED_REJECT, UNMATCHEDS };

/* As they are written in the file. */
extern const char *const relay_mode_names[RELAY_MODES];
extern const char *const balance_kind_names[BALANCE_KINDS];
extern const char *const tls_mode_names[TLS_MODES];
extern const char *const tls_floor_names[TLS_FLOORS];
extern const char *const protocol_names[PROTOCOLS];
extern const char *const route_kind_names[ROUTE_KINDS];
extern const char *const proxy_version_names[PROXY_VERSIONS];
extern const char *const proxy_header_names[PROXY_HEADERS];
extern const char *const client_key_names[CLIENT_KEYS];
extern const char *const over_limit_names[OVER_LIMITS];
extern const char *const log_sessions_names[LOG_SESSIONS_KINDS];

/* A client's key and, where that is its source, how many bits of it count. */
struct key_config {
	enum client_key kind;
	unsigned bits4, bits6; /* of an IPv4 and an IPv6 address; 32 and 128: all of it */
};

struct backend_config {
	char name[CONFIG_NAME_BYTES];
	struct addr_spec spec;
	struct addr addr;                /* the first that spec resolves to */
	unsigned weight;                 /* 0: gets nothing new */
	unsigned sessions_max;           /* 0: no limit */
	struct config_location location; /* of its name */
	struct config_location addr_location;
	unsigned tier;                /* 0 serves first; a backup has a higher one */
	struct addr_short check_addr; /* where checks connect; none: see check.addr */
};

enum check_kind {
	CHECK_NONE,
	CHECK_TCP,
	CHECK_TLS,
	CHECK_EXPECT,
	CHECK_HTTP,
	CHECK_POSTGRES,
	CHECK_MYSQL,
	CHECK_REDIS,
	CHECK_SMTP,
	CHECK_IMAP,
	CHECK_SSH,
	CHECK_MQTT,
	CHECK_LDAP,
	CHECK_AMQP,
	CHECK_KINDS,
};

/* TLS of a check; auto: as sessions have it, or else, where it logs in, if the server offers it. */
enum check_tls_setting { CHECK_TLS_AUTO, CHECK_TLS_NO, CHECK_TLS_YES, CHECK_TLS_SETTINGS };

extern const char *const check_kind_names[CHECK_KINDS];
extern const char *const check_tls_names[CHECK_TLS_SETTINGS];

/* A number of an HTTP answer's status, from first to last. */
struct status_range {
	uint16_t first, last;
};

/* What an http check asks and wants to hear; NULL and 0: the default. */
struct http_check_config {
	char *method, *path, *host;
	struct status_range statuses[CONFIG_STATUSES_MAX];
	size_t statuses_n;
	char *header; /* NAME, or NAME:PATTERN */
	char *body;   /* a pattern */
};

enum expect_word {
	EXPECT_WORD_SEND,
	EXPECT_WORD_HEX,
	EXPECT_WORD_EXPECT,
	EXPECT_WORD_OR,
	EXPECT_WORD_FAIL,
	EXPECT_WORDS
};

extern const char *const expect_word_names[EXPECT_WORDS];

/* A step of a conversation: what is sent, or what must come back. */
struct check_step_config {
	enum expect_word word;
	char *text;  /* as it is written */
	char *bytes; /* what it stands for: not a C string */
	size_t n;
	struct config_location location;
};

/* When and how an active check asks, and how many answers it takes to believe it. */
struct check_config {
	enum check_kind kind;
	char *user, *password_file, *database; /* to log in as; NULL: it does not */
	struct http_check_config http;
	struct check_step_config *steps; /* of expect */
	size_t steps_n;
	unsigned port;          /* 0: the backend's own */
	struct addr_short addr; /* where to, unless the backend says so; none: its own */
	enum check_tls_setting tls;
	uint64_t interval_ms;
	uint64_t fast_interval_ms; /* while its answers contradict what is believed */
	uint64_t timeout_ms;       /* for one answer */
	unsigned fall, rise;       /* answers in a row that take it down and bring it up */
	unsigned jitter_percent;   /* intervals vary by so much both ways */
};

/* Which backends get sessions, by what their checks say of them. */
enum role_setting { ROLE_ANY, ROLE_PRIMARY, ROLE_REPLICA, ROLE_PREFER_REPLICA, ROLE_SETTINGS };
enum fence_setting { FENCE_AUTO, FENCE_NO, FENCE_YES, FENCE_SETTINGS };
enum failback_setting { FAILBACK_SETTING_NO, FAILBACK_SETTING_YES, FAILBACK_SETTING_AFTER };
/* What becomes of the sessions of one that went down, or lost its role. */
enum on_down { ON_DOWN_AUTO, ON_DOWN_KEEP, ON_DOWN_DRAIN, ON_DOWN_RESET, ON_DOWNS };

extern const char *const role_setting_names[ROLE_SETTINGS];
extern const char *const fence_setting_names[FENCE_SETTINGS];
extern const char *const on_down_names[ON_DOWNS];

struct lag_limit {
	bool is_time;
	uint64_t max; /* bytes or ms; 0: none */
};

struct role_settings {
	enum role_setting wanted;
	struct lag_limit lag;
	enum fence_setting fence;
	struct {
		enum failback_setting setting;
		uint64_t after_ms;
	} failback;
};

/* Does the pool take whoever is up? */
static inline bool role_is_any(const struct role_settings *role)
{
	return role->wanted == ROLE_ANY && role->lag.max == 0;
}

/* New sessions wait while no backend can take them. */
struct hold_config {
	uint64_t ms; /* 0: they do not */
	unsigned max;
	unsigned per_s; /* that are let go; 0: all at once */
};

/* When sessions' own failures to connect take a backend out for a while. All zero: never. */
struct eject_config {
	unsigned in_a_row;            /* failures; 0: do not look at this */
	unsigned failure_percent;     /* of the last window's connects; 0: do not look at this */
	unsigned window_connects_min; /* a share of fewer says nothing */
	uint64_t window_ms;
	uint64_t time_ms; /* for the first time; twice, three times as long the next times */
	uint64_t time_max_ms;
	unsigned jitter_percent;      /* longer by up to so much */
	unsigned ejected_max_percent; /* of the pool's backends may be out, down ones counted in */
};

struct local_addr_config {
	struct addr addr;
	struct config_location location;
};

struct pool_config {
	char name[CONFIG_NAME_BYTES];
	char like[CONFIG_NAME_BYTES]; /* the pool that it has the rest from; "": none */
	struct config_location location;
	size_t number; /* its place among the pools */
	struct backend_config *backends;
	size_t backends_n;
	enum balance_kind balance;
	uint64_t connect_timeout_ms;    /* for one try */
	uint64_t connect_total_ms;      /* for all tries of a session */
	unsigned connect_tries_max;     /* each at another backend */
	struct config_location *set_at; /* by row of directive.c: line 0 where it is a default */

	bool overflow;           /* other tiers serve also while the open ones are full */
	unsigned panic_percent;  /* with fewer ready all serve; 0: never */
	unsigned tier_ready_min; /* tiers open until so many backends are ready; 0: 1 */
	uint64_t slow_start_ms; /* in which one that was down gets back to its weight; 0: at once */

	/* Of maglev. */
	struct key_config hash;
	unsigned hash_balance_percent; /* of the average, that one may have; 0: no bound */
	unsigned hash_table_slots;     /* 65537 or 655373; 0: by the number of backends */

	/* A client goes back to the backend it was on. */
	struct key_config stick; /* CLIENT_KEY_NONE: it does not */
	unsigned stick_max;      /* clients that are remembered */
	uint64_t stick_ms;       /* after a client's last session has ended */

	struct check_config check;
	struct role_settings role;
	struct hold_config hold;
	enum on_down on_down;
	unsigned on_down_per_s; /* sessions that are ended; 0: all at once */
	uint64_t drain_ms;      /* that sessions of a backend have that is removed; 0: they go on */
	struct eject_config eject;

	/* TLS towards the backends. */
	bool tls;
	bool tls_verify; /* off: whoever answers is believed */
	char *tls_ca, *tls_crl, *tls_name, *tls_sni, *tls_alpn;
	bool tls_tickets;                /* sessions are resumed */
	char *tls_certificate, *tls_key; /* ours, if they ask for one */
	enum protocol_kind protocol;     /* postgres: TLS begins with an SSLRequest */
	bool has_direct_tls;             /* postgres: it begins at once, as from version 17 on */
	bool has_shared_tls; /* backends have the certificate of the listeners that lead here */

	enum proxy_version send_proxy;
	bool has_proxy_tlvs; /* v2: ALPN, authority, TLS facts, unique id, checksum */

	/* Addresses of ours to connect from, in turns; none: the kernel picks. Ports are 0. */
	struct local_addr_config *local_addrs;
	size_t local_addrs_n;
	bool is_transparent; /* connect from the client's own address (IP_TRANSPARENT) */

	unsigned queue_max;        /* sessions that wait when every backend is full; 0: none */
	uint64_t queue_timeout_ms; /* for one of them */
};

/* The first of a listener's routes that fits decides; its pool when none does. */
struct route_config {
	enum route_kind kind;
	char pattern[256]; /* a name in lower case, "*.example.com", an ALPN id, or text_fits() */
	char pool_name[CONFIG_NAME_BYTES];
	const struct pool_config *pool;
	struct config_location location;
};

/* A user or a group, by name or number. */
struct account_config {
	char *name; /* NULL: not given */
	struct config_location location;
};

struct bind_config {
	struct addr_spec spec;
	struct addr *addrs; /* all that the host resolves to, with the first port */
	size_t addrs_n;
	bool is_free; /* this machine need not have the address */
	/* Of a unix socket's file. */
	struct account_config owner, group;
	struct sock_access access; /* the mode; config_resolve() adds owner and group */
	struct config_location location;
};

struct certificate_config {
	char *chain, *key; /* file names; key NULL: it is in the chain's file */
	struct config_location location;
};

/* Names of files that addresses were read from, which others point to. */
struct address_lists {
	char **paths;
	size_t n;
};

/* Where an entry of a list stands that has a file of its own; file NULL: with the directive. */
struct list_origin {
	const char *file;
	unsigned line;
};

struct listed_block {
	struct addr_block block;
	struct list_origin from;
};

struct access_rule {
	bool is_allowed;
	bool is_all; /* everybody, unix sockets too; otherwise the block */
	struct addr_block block;
	struct list_origin from;
};

/* Who may enter, of those whose certificate is good. */
struct client_rule {
	bool is_allowed;
	enum identity_kind kind;
	char *pattern; /* see identity_fits() */
	char *text;    /* the line of the file, for the log */
};

struct listener_config {
	char name[CONFIG_NAME_BYTES];
	struct config_location location;
	struct bind_config *binds;
	size_t binds_n;
	char pool_name[CONFIG_NAME_BYTES];
	struct config_location pool_location;
	const struct pool_config *pool; /* the one of that name */
	unsigned backlog;
	unsigned sessions_max; /* 0: only the global limit */
	enum relay_mode relay;
	uint64_t idle_timeout_ms;       /* 0: never */
	uint64_t half_close_timeout_ms; /* inactivity once one side has ended; 0: never */
	uint64_t close_timeout_ms;      /* to deliver what is left before a reset is passed on */
	struct sock_keepalive keepalive;
	uint64_t user_timeout_ms; /* nothing is answered for so long: dead; 0: the kernel's */
	struct config_location *set_at;

	/* What the first bytes are, and what they decide. */
	enum protocol_kind protocol;
	enum tls_mode tls;
	enum unmatched no_sni;    /* a ClientHello without a name */
	enum unmatched not_tls;   /* passthrough: the first bytes are no ClientHello */
	enum unmatched plaintext; /* postgres: a client that does not ask for TLS */
	struct route_config *routes;
	size_t routes_n;

	/* Of `terminate`. */
	struct certificate_config *certificates;
	size_t certificates_n;
	enum unmatched unknown_sni; /* a name that no certificate has; UNMATCHED_POOL: the first */
	char *alpn, *ciphers, *groups;
	bool tickets; /* sessions can be resumed */
	enum tls_floor tls_min, tls_max;
	char *client_ca, *client_crl;
	struct client_rule *client_rules; /* in the order of the file: ask client_rules.h */
	size_t client_rules_n;
	unsigned client_verify;        /* enum tls_verify of tls/context.h */
	uint64_t handshake_timeout_ms; /* for all that comes before the backend is chosen */
	unsigned handshakes_per_s_max; /* in all workers; 0: no limit */

	/* A PROXY header in front of everything else. */
	enum proxy_header proxy_protocol;
	struct listed_block *proxy_protocol_from; /* who may send one, besides unix sockets */
	size_t proxy_protocol_from_n;
	uint64_t proxy_protocol_timeout_ms;

	/*
	 * Who may connect at all, in the order of the file: ask
	 * access_is_allowed() of access.h.
	 */
	struct access_rule *access;
	size_t access_n;
	struct address_lists lists; /* that these and proxy_protocol_from are read from */

	/* How many and how fast. A source is a block of addresses; unix sockets have none. */
	unsigned sessions_per_s_max;  /* new ones, the rest waits in the backlog; 0: no limit */
	unsigned source_sessions_max; /* of one source at a time; 0: no limit */
	unsigned source_sessions_per_s_max;  /* new ones of one source; 0: no limit */
	unsigned source_bits4, source_bits6; /* of an address, that make a source */
	unsigned sources_max;                /* that are remembered */
	enum over_limit over_limit;          /* of a source */
	/* What its sessions have in the log. */
	enum log_sessions log_sessions;
	unsigned log_sample;      /* lines of usual sessions: of one in so many */
	uint64_t log_interval_ms; /* of lines while it lasts; 0: none */
	bool logs_empty, logs_tcp;
	unsigned log_lines_per_s_max; /* 0: no limit */

	uint64_t bandwidth_bytes_per_s; /* of a session, in each direction; 0: no limit */
	uint64_t first_byte_timeout_ms; /* for a client to say anything at all; 0: no limit */
};

/* Is a ClientHello read, for its names, before a backend is chosen? */
static inline bool listener_reads_hello(const struct listener_config *l)
{
	return l->tls == TLS_MODE_PASSTHROUGH || l->tls == TLS_MODE_TERMINATE;
}

/* Where the operator's commands come in; see etc/ringmainctl.8. */
struct control_config {
	bool is_off;
	struct bind_config at; /* a unix socket with a path; spec.host "": RUNTIME_DIRECTORY's */
};

/* The status page and the metrics; see etc/ringmain.8. */
struct status_config {
	bool is_on;
	struct bind_config at;
	bool shows_sessions;        /* the busiest ones */
	struct listed_block *allow; /* who may ask, besides unix sockets; none: everybody */
	size_t allow_n;
	struct address_lists lists; /* that they are read from */
};

/* Another file, or directory, to be read as if it had been named beside this one. */
struct include_config {
	char *path; /* as written: where it is relative, from the directory of its own file */
	struct config_location location;
};

/* Where lines go. */
struct log_config {
	enum log_target target;
	char *path;       /* of LOG_TO_FILE and, if it is another, of LOG_TO_SYSLOG; absolute */
	struct addr addr; /* of LOG_TO_SYSLOG_UDP */
};

struct global_config {
	struct include_config *includes;
	size_t includes_n;
	unsigned workers;             /* 0: auto, one for each CPU the process may use */
	unsigned sessions_max;        /* 0: auto, as many as open files allow */
	uint64_t buffer_memory_bytes; /* of all workers together */
	uint64_t drain_delay_ms, drain_timeout_ms;
	enum log_level log_level;
	enum log_format log_format;
	struct log_template *log_template; /* of sessions' lines; NULL: log_format is theirs, too */
	struct log_config log;
	char *ticket_keys; /* file name; NULL: random keys */
	struct control_config control;
	struct status_config status;
	struct config_location location; /* of the section; line 0 when there is none */
	struct config_location *set_at;
};

struct config {
	struct global_config global;
	struct listener_config *listeners;
	size_t listeners_n;
	struct pool_config *pools;
	size_t pools_n;
	bool has_lost_section; /* a head could not be read: a pool may be missing for that */
	char **files;          /* that it was read from; config_location.file points here */
	size_t files_n;
};

#endif
