/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config/directive.h"

#include <string.h>

#include "base/check.h"
#include "config/setting.h"
#include "config/value.h"
#include "tls/context.h"

/* Of enum unmatched, in the words that fit each place. */
static const char *const pool_or_reject[UNMATCHEDS] = { "pool", "reject" };
static const char *const default_or_reject[UNMATCHEDS] = { "default", "reject" };
static const char *const allow_or_reject[UNMATCHEDS] = { "allow", "reject" };

static const char *const verify_names[] = {
	[TLS_VERIFY_NONE] = "none",
	[TLS_VERIFY_OPTIONAL] = "optional",
	[TLS_VERIFY_REQUIRE] = "require",
};

#define MS 1u
#define SECOND (1000u * MS)
#define HOUR (3600u * SECOND)
#define DAY (24u * HOUR)

#define RATE_MAX 1000000u /* of anything, in a second */

#define GIB (1ull << 30)

/* struct tcp_sock keeps them in that many seconds and probes (TCP_KEEPIDLE and so on, tcp(7)). */
#define KEEPALIVE_MAX (32767u * SECOND)
#define KEEPALIVE_COUNT_MAX 127u

#define IN_GLOBAL(field) .section = SECTION_GLOBAL, .offset = offsetof(struct global_config, field)
#define IN_LISTENER(field) \
	.section = SECTION_LISTENER, .offset = offsetof(struct listener_config, field)
#define IN_POOL(field) .section = SECTION_POOL, .offset = offsetof(struct pool_config, field)
#define WORDS(names) .words = names, .words_n = ARRAY_LEN(names)

/* Rows stand in the order in which --dump and the manual page show them. */
/* clang-format off */
const struct directive directives[] = {
	{ IN_GLOBAL(includes), .key = "include", .type = &type_include, .repeatable = true,
	  .help = "Another file, or all *.ini of a directory, to be read as well" },
	{ IN_GLOBAL(workers), .key = "workers", .type = &type_number,
	  .fallback = "auto", .zero = "auto", .min = 1, .max = CONFIG_WORKERS_MAX,
	  .reload = RELOAD_RESTART,
	  .help = "Threads that relay; auto: one for each CPU that the process may use" },
	{ IN_GLOBAL(sessions_max), .key = "max_sessions", .type = &type_number,
	  .fallback = "auto", .zero = "auto", .min = 1, .max = CONFIG_SESSIONS_MAX,
	  .reload = RELOAD_RESTART,
	  .help = "Sessions of all listeners together; auto: as the limit of open files allows" },
	{ IN_GLOBAL(buffer_memory_bytes), .key = "buffer_memory", .type = &type_size,
	  .fallback = "256M", .max = 256 * GIB,
	  .min = CONFIG_WORKER_BUFFERS_MIN * CONFIG_BUFFER_BYTES,
	  .reload = RELOAD_RESTART,
	  .help = "Buffers that bytes are copied through, shared out evenly among the workers" },
	{ IN_GLOBAL(drain_delay_ms), .key = "drain_delay", .type = &type_duration,
	  .fallback = "0", .zero = "0", .min = 10 * MS, .max = 1 * HOUR,
	  .help = "When told to stop: how long to go on accepting, while it is told as draining" },
	{ IN_GLOBAL(drain_timeout_ms), .key = "drain_timeout", .type = &type_duration,
	  .fallback = "5m", .zero = "0", .min = 10 * MS, .max = 30 * DAY,
	  .help = "When told to stop: how long sessions may go on; 0: as long as they like" },
	{ IN_GLOBAL(log_level), .key = "log_level", .type = &type_choice, WORDS(log_level_names),
	  .fallback = "info",
	  .help = "What is logged: this and everything more severe" },
	{ IN_GLOBAL(log_format), .key = "log_format", .type = &type_choice, WORDS(log_format_names),
	  .fallback = "logfmt",
	  .reload = RELOAD_RESTART,
	  .help = "How a line of the log is written" },
	{ IN_GLOBAL(ticket_keys), .key = "ticket_keys", .type = &type_file,
	  .help = "Keys of TLS session tickets, shared by several nodes; without: random ones" },
	{ IN_GLOBAL(control), .key = "control", .type = &type_control,
	  .fallback = "auto",
	  .reload = RELOAD_RESTART,
	  .help = "Where ringmainctl connects; auto: control.sock in RUNTIME_DIRECTORY, if any" },
	{ IN_GLOBAL(status), .key = "status", .type = &type_status, .fallback = "off",
	  .reload = RELOAD_RESTART,
	  .help = "Where the status page, /metrics, /status.json and /healthz are" },
	{ IN_GLOBAL(status), .key = "status_allow", .type = &type_status_allow, .repeatable = true,
	  .help = "Who may ask there; without: everybody who can connect" },

	{ IN_LISTENER(binds), .key = "bind", .type = &type_bind,
	  .required = true, .repeatable = true,
	  .help = "Address to accept connections on" },
	{ IN_LISTENER(pool_name), .key = "pool", .type = &type_pool,
	  .reload = RELOAD_SESSIONS,
	  .help = "Where sessions go that no route sends elsewhere" },
	{ IN_LISTENER(routes), .key = "route", .type = &type_route, .repeatable = true,
	  .reload = RELOAD_SESSIONS,
	  .help = "The first that fits decides: by names in TLS, or what PostgreSQL logs in to" },
	{ IN_LISTENER(access), .key = "allow", .type = &type_allow, .repeatable = true,
	  .help = "Who may connect; with deny one list: the first that fits decides" },
	{ IN_LISTENER(access), .key = "deny", .type = &type_deny, .repeatable = true,
	  .help = "Who may not; who fits nothing: the opposite of the last one" },
	{ IN_LISTENER(proxy_protocol), .key = "proxy_protocol", .old_key = "proxy",
	  .type = &type_choice, WORDS(proxy_header_names), .fallback = "off",
	  .reload = RELOAD_SESSIONS,
	  .help = "accept: every connection begins with a PROXY header" },
	{ IN_LISTENER(proxy_protocol_from), .key = "proxy_protocol_from",
	  .old_key = "proxy_from", .type = &type_proxy_protocol_from, .repeatable = true,
	  .reload = RELOAD_SESSIONS,
	  .help = "Proxies that are trusted to say who the client is; nobody else may connect" },
	{ IN_LISTENER(proxy_protocol_timeout_ms), .key = "proxy_protocol_timeout",
	  .old_key = "proxy_timeout", .type = &type_duration,
	  .fallback = "5s", .min = 10 * MS, .max = 1 * HOUR,
	  .reload = RELOAD_SESSIONS,
	  .help = "Time for the PROXY header" },
	{ IN_LISTENER(protocol), .key = "protocol", .type = &type_choice, WORDS(protocol_names),
	  .fallback = "any",
	  .reload = RELOAD_SESSIONS,
	  .help = "What clients speak; postgres: TLS begins with PostgreSQL's SSLRequest" },
	{ IN_LISTENER(tls), .key = "tls", .type = &type_choice, WORDS(tls_mode_names),
	  .fallback = "auto",
	  .reload = RELOAD_SESSIONS,
	  .help = "Look at no byte, at the ClientHello, or end TLS here; auto: see protocol" },
	{ IN_LISTENER(certificates), .key = "certificate", .type = &type_certificate,
	  .repeatable = true,
	  .reload = RELOAD_SESSIONS,
	  .help = "PEM, the chain with the leaf first; the client's SNI picks among several" },
	{ IN_LISTENER(unknown_sni), .key = "unknown_sni", .type = &type_choice,
	  WORDS(default_or_reject), .fallback = "default",
	  .reload = RELOAD_SESSIONS,
	  .help = "A name that no certificate has: the first certificate, or an alert" },
	{ IN_LISTENER(alpn), .key = "alpn", .type = &type_text,
	  .reload = RELOAD_SESSIONS,
	  .help = "Protocols to agree on, best first, with commas between" },
	{ IN_LISTENER(tls_min), .key = "tls_min", .type = &type_choice, WORDS(tls_floor_names),
	  .fallback = "auto",
	  .reload = RELOAD_SESSIONS,
	  .help = "Oldest version; auto: 1.2, and 1.3 when clients are verified" },
	{ IN_LISTENER(tls_max), .key = "tls_max", .type = &type_choice, WORDS(tls_floor_names),
	  .fallback = "auto",
	  .reload = RELOAD_SESSIONS,
	  .help = "Newest version; auto: 1.3" },
	{ IN_LISTENER(ciphers), .key = "ciphers", .type = &type_text,
	  .reload = RELOAD_SESSIONS,
	  .help = "Cipher suites, best first, with colons between" },
	{ IN_LISTENER(groups), .key = "groups", .type = &type_text,
	  .reload = RELOAD_SESSIONS,
	  .help = "Groups for the key exchange, best first, with colons between" },
	{ IN_LISTENER(tickets), .key = "tickets", .type = &type_flag, .fallback = "yes",
	  .reload = RELOAD_SESSIONS,
	  .help = "Give out session tickets, with which clients resume sessions" },
	{ IN_LISTENER(client_verify), .key = "client_verify", .type = &type_choice,
	  WORDS(verify_names), .fallback = "none",
	  .reload = RELOAD_SESSIONS,
	  .help = "Ask clients for a certificate: not, without insisting, or insisting" },
	{ IN_LISTENER(client_ca), .key = "client_ca", .type = &type_file,
	  .reload = RELOAD_SESSIONS,
	  .help = "PEM, whose certificates clients' own must come from" },
	{ IN_LISTENER(client_crl), .key = "client_crl", .type = &type_file,
	  .reload = RELOAD_SESSIONS,
	  .help = "PEM, clients' certificates that are revoked" },
	{ IN_LISTENER(client_rules), .key = "client_allow", .type = &type_client_allow,
	  .repeatable = true,
	  .reload = RELOAD_SESSIONS,
	  .help = "Whose certificates may enter; with client_deny one list, as allow and deny" },
	{ IN_LISTENER(client_rules), .key = "client_deny", .type = &type_client_deny,
	  .repeatable = true,
	  .reload = RELOAD_SESSIONS,
	  .help = "Whose may not, although the CA is a good one" },
	{ IN_LISTENER(no_sni), .key = "no_sni", .type = &type_choice, WORDS(pool_or_reject),
	  .fallback = "pool",
	  .reload = RELOAD_SESSIONS,
	  .help = "passthrough: a ClientHello without a name" },
	{ IN_LISTENER(not_tls), .key = "not_tls", .type = &type_choice, WORDS(pool_or_reject),
	  .fallback = "reject",
	  .reload = RELOAD_SESSIONS,
	  .help = "passthrough: first bytes that are no ClientHello" },
	{ IN_LISTENER(plaintext), .key = "plaintext", .type = &type_choice, WORDS(allow_or_reject),
	  .fallback = "reject",
	  .reload = RELOAD_SESSIONS,
	  .help = "protocol = postgres with tls: clients that do not ask for TLS" },
	{ IN_LISTENER(handshake_timeout_ms), .key = "handshake_timeout", .type = &type_duration,
	  .fallback = "10s", .min = 10 * MS, .max = 1 * HOUR,
	  .reload = RELOAD_SESSIONS,
	  .help = "Time for all that comes before a backend is chosen" },
	{ IN_LISTENER(handshakes_per_s_max), .key = "handshake_rate", .type = &type_rate,
	  .fallback = "0", .zero = "0", .min = 1, .max = RATE_MAX,
	  .reload = RELOAD_SESSIONS,
	  .help = "TLS handshakes that may begin, more wait; 0: no limit" },
	{ IN_LISTENER(first_byte_timeout_ms), .key = "first_byte_timeout", .type = &type_duration,
	  .fallback = "0", .zero = "0", .min = 10 * MS, .max = 1 * HOUR,
	  .reload = RELOAD_SESSIONS,
	  .help = "Time for a client to say anything at all; 0: no limit" },
	{ IN_LISTENER(backlog), .key = "backlog", .type = &type_number,
	  .fallback = "4096", .min = 1, .max = 65535,
	  .help = "Connections that may wait; the kernel cuts it down to net.core.somaxconn" },
	{ IN_LISTENER(sessions_max), .key = "max_sessions", .type = &type_number,
	  .fallback = "0", .zero = "0", .min = 1, .max = CONFIG_SESSIONS_MAX,
	  .help = "Sessions at a time, more wait in the backlog; 0: only the global limit" },
	{ IN_LISTENER(sessions_per_s_max), .key = "session_rate", .type = &type_rate,
	  .fallback = "0", .zero = "0", .min = 1, .max = RATE_MAX,
	  .help = "New sessions, more wait in the backlog; 0: no limit" },
	{ IN_LISTENER(source_sessions_max), .key = "max_sessions_per_source",
	  .type = &type_number, .fallback = "0", .zero = "0", .min = 1,
	  .max = CONFIG_SESSIONS_MAX,
	  .help = "Sessions at a time of one source, a block of addresses; 0: no limit" },
	{ IN_LISTENER(source_sessions_per_s_max), .key = "session_rate_per_source",
	  .type = &type_rate, .fallback = "0", .zero = "0", .min = 1, .max = RATE_MAX,
	  .help = "New sessions of one source; 0: no limit" },
	{ IN_LISTENER(source_bits4), .key = "source_prefix4", .type = &type_number,
	  .fallback = "32", .min = 1, .max = 32,
	  .reload = RELOAD_RESTART,
	  .help = "Bits of an IPv4 address that make a source" },
	{ IN_LISTENER(source_bits6), .key = "source_prefix6", .type = &type_number,
	  .fallback = "64", .min = 1, .max = 128,
	  .reload = RELOAD_RESTART,
	  .help = "Bits of an IPv6 address that make a source" },
	{ IN_LISTENER(sources_max), .key = "source_table", .type = &type_number,
	  .fallback = "100000", .min = 16, .max = CONFIG_SESSIONS_MAX,
	  .reload = RELOAD_RESTART,
	  .help = "Sources that are remembered" },
	{ IN_LISTENER(over_limit), .key = "over_limit", .type = &type_choice,
	  WORDS(over_limit_names), .fallback = "close",
	  .help = "A source over its limit: close, or drop it without a word" },
	{ IN_LISTENER(bandwidth_bytes_per_s), .key = "bandwidth", .type = &type_byte_rate,
	  .fallback = "0", .zero = "0", .min = 1024, .max = 1024 * GIB,
	  .reload = RELOAD_SESSIONS,
	  .help = "Of one session, in each direction; 0: no limit" },
	{ IN_LISTENER(log_sessions), .key = "log_sessions", .type = &type_choice,
	  WORDS(log_sessions_names), .fallback = "end",
	  .help = "A line for each session at its end, at its start, too, if unusual, or none" },
	{ IN_LISTENER(logs_empty), .key = "log_empty", .type = &type_flag, .fallback = "yes",
	  .help = "no: none for clients that say nothing and leave within a second" },
	{ IN_LISTENER(logs_tcp), .key = "log_tcp", .type = &type_flag, .fallback = "no",
	  .help = "And how both connections fared: round trip, retransmits, unacknowledged" },
	{ IN_LISTENER(log_lines_per_s_max), .key = "log_rate", .type = &type_rate,
	  .fallback = "0", .zero = "0", .min = 1, .max = RATE_MAX,
	  .help = "Lines of sessions, what is more is left out and counted; 0: no limit" },
	{ IN_LISTENER(relay), .key = "relay", .type = &type_choice, WORDS(relay_mode_names),
	  .fallback = "auto",
	  .reload = RELOAD_SESSIONS,
	  .help = "How bytes move: through buffers, through pipes, or as suits the traffic" },
	{ IN_LISTENER(idle_timeout_ms), .key = "idle_timeout", .type = &type_duration,
	  .fallback = "1h", .zero = "0", .min = 10 * MS, .max = 365ull * DAY,
	  .reload = RELOAD_SESSIONS,
	  .help = "A session without a byte in either direction ends after this; 0: never" },
	{ IN_LISTENER(half_close_timeout_ms), .key = "half_close_timeout", .type = &type_duration,
	  .fallback = "60s", .zero = "0", .min = 10 * MS, .max = 365ull * DAY,
	  .reload = RELOAD_SESSIONS,
	  .help = "The same once one side has ended its direction; 0: never" },
	{ IN_LISTENER(close_timeout_ms), .key = "close_timeout", .type = &type_duration,
	  .fallback = "2s", .min = 10 * MS, .max = 1 * HOUR,
	  .reload = RELOAD_SESSIONS,
	  .help = "Time to deliver what is left before a reset is passed on" },
	{ IN_LISTENER(keepalive.is_on), .key = "keepalive", .type = &type_flag,
	  .fallback = "yes",
	  .reload = RELOAD_SESSIONS,
	  .help = "TCP keepalive on both sides" },
	{ IN_LISTENER(keepalive.idle_ms), .key = "keepalive_idle", .type = &type_duration,
	  .fallback = "60s", .min = 1 * SECOND, .max = KEEPALIVE_MAX, .step = SECOND,
	  .reload = RELOAD_SESSIONS,
	  .help = "Silence before the first probe" },
	{ IN_LISTENER(keepalive.interval_ms), .key = "keepalive_interval", .type = &type_duration,
	  .fallback = "10s", .min = 1 * SECOND, .max = KEEPALIVE_MAX, .step = SECOND,
	  .reload = RELOAD_SESSIONS,
	  .help = "Time between two probes" },
	{ IN_LISTENER(keepalive.count), .key = "keepalive_count", .type = &type_number,
	  .fallback = "6", .min = 1, .max = KEEPALIVE_COUNT_MAX,
	  .reload = RELOAD_SESSIONS,
	  .help = "Probes without an answer after which the peer is dead" },
	{ IN_LISTENER(user_timeout_ms), .key = "user_timeout", .type = &type_duration,
	  .fallback = "30s", .zero = "0", .min = 10 * MS, .max = 24 * HOUR,
	  .reload = RELOAD_SESSIONS,
	  .help = "Who leaves bytes or probes unanswered for so long is dead; 0: the kernel's" },

	{ IN_POOL(balance), .key = "balance", .type = &type_choice, WORDS(balance_kind_names),
	  .fallback = "random",
	  .help = "How a backend is chosen" },
	{ IN_POOL(hash), .key = "hash", .type = &type_key, .fallback = "source",
	  .min = CLIENT_KEY_SOURCE, .max = CLIENT_KEY_DESTINATION,
	  .reload = RELOAD_SESSIONS,
	  .help = "maglev: what keeps a client on its backend" },
	{ IN_POOL(hash_balance_percent), .key = "hash_balance", .type = &type_number,
	  .fallback = "0", .zero = "0", .min = 100, .max = 1000,
	  .help = "maglev: percent of the average that a backend may have; 0: no bound" },
	{ IN_POOL(hash_table_slots), .key = "hash_table", .type = &type_hash_table,
	  .fallback = "auto",
	  .help = "maglev: size of the table; auto: the larger one from 656 backends on" },
	{ IN_POOL(stick), .key = "stick", .type = &type_key, .fallback = "off",
	  .min = CLIENT_KEY_NONE, .max = CLIENT_KEY_SNI,
	  .reload = RELOAD_SESSIONS,
	  .help = "Clients go back to the backend they were on, known by this" },
	{ IN_POOL(stick_max), .key = "stick_table", .type = &type_number,
	  .fallback = "100000", .min = 16, .max = CONFIG_SESSIONS_MAX,
	  .reload = RELOAD_RESTART,
	  .help = "Clients that are remembered" },
	{ IN_POOL(stick_ms), .key = "stick_time", .type = &type_duration,
	  .fallback = "1h", .min = 10 * MS, .max = 365ull * DAY,
	  .help = "For how long, from the end of a client's last session" },
	{ IN_POOL(backends), .key = "backend", .type = &type_backend,
	  .required = true, .repeatable = true,
	  .help = "A server" },
	{ IN_POOL(tier_ready_min), .key = "min_ready", .type = &type_number,
	  .fallback = "1", .min = 1, .max = CONFIG_BACKENDS_MAX,
	  .help = "With fewer ready backends than this the next tier serves, too" },
	{ IN_POOL(slow_start_ms), .key = "slow_start", .type = &type_duration,
	  .fallback = "0", .zero = "0", .min = 10 * MS, .max = 1 * DAY,
	  .help = "A backend that was down gets back to its weight within this; 0: at once" },
	{ IN_POOL(queue_max), .key = "queue", .type = &type_number,
	  .fallback = "0", .zero = "0", .min = 1, .max = CONFIG_SESSIONS_MAX,
	  .help = "Sessions that may wait when every backend is full; 0: none" },
	{ IN_POOL(queue_timeout_ms), .key = "queue_timeout", .type = &type_duration,
	  .fallback = "30s", .min = 10 * MS, .max = 1 * HOUR,
	  .help = "For how long one may" },
	{ IN_POOL(local_addrs), .key = "source", .type = &type_local_addr, .repeatable = true,
	  .help = "Addresses to connect from, in turns; without: as the kernel likes" },
	{ IN_POOL(is_transparent), .key = "transparent", .type = &type_flag, .fallback = "no",
	  .help = "Connect from the client's own address (IP_TRANSPARENT)" },
	{ IN_POOL(send_proxy), .key = "send_proxy", .type = &type_choice,
	  WORDS(proxy_version_names), .fallback = "off",
	  .help = "Tell backends who the client is, with a PROXY header of this version" },
	{ IN_POOL(has_proxy_tlvs), .key = "send_proxy_tlvs", .type = &type_flag, .fallback = "no",
	  .help = "v2: and what else is known of it: name, ALPN, TLS, an id, a checksum" },
	{ IN_POOL(connect_timeout_ms), .key = "connect_timeout", .type = &type_duration,
	  .fallback = "1s", .min = 10 * MS, .max = 1 * HOUR,
	  .help = "Time for one backend to accept the connection" },
	{ IN_POOL(connect_total_ms), .key = "connect_total", .type = &type_duration,
	  .fallback = "5s", .min = 10 * MS, .max = 1 * HOUR,
	  .help = "Time for all tries of a session" },
	{ IN_POOL(connect_tries_max), .key = "connect_tries", .type = &type_number,
	  .fallback = "5", .min = 1, .max = CONFIG_TRIES_MAX,
	  .help = "Backends that a session may try, each once" },
	{ IN_POOL(check), .key = "check", .type = &type_check, WORDS(check_kind_names),
	  .fallback = "none",
	  .help = "How backends are probed: they accept a connection, or speak a protocol" },
	{ IN_POOL(check.steps), .key = "check_step", .type = &type_check_step, .repeatable = true,
	  .help = "check = expect: what is sent, and what must come back" },
	{ IN_POOL(check.port), .key = "check_port", .type = &type_number,
	  .fallback = "auto", .zero = "auto", .min = 1, .max = 65535,
	  .help = "Where the check connects; auto: the backend's own port" },
	{ IN_POOL(check.tls), .key = "check_tls", .type = &type_choice, WORDS(check_tls_names),
	  .fallback = "auto",
	  .help = "Checks over TLS; auto: as sessions, or if it logs in and the server offers it" },
	{ IN_POOL(check.interval_ms), .key = "check_interval", .type = &type_duration,
	  .fallback = "2s", .min = 10 * MS, .max = 1 * DAY,
	  .help = "Time between two checks of a backend" },
	{ IN_POOL(check.fast_interval_ms), .key = "check_fast_interval", .type = &type_duration,
	  .fallback = "500ms", .min = 10 * MS, .max = 1 * DAY,
	  .help = "The same while its answers contradict its present state" },
	{ IN_POOL(check.timeout_ms), .key = "check_timeout", .type = &type_duration,
	  .fallback = "1s", .min = 10 * MS, .max = 1 * HOUR,
	  .help = "Time for an answer" },
	{ IN_POOL(check.fall), .key = "check_fall", .type = &type_number,
	  .fallback = "3", .min = 1, .max = 1000,
	  .help = "Failures in a row that take a backend down" },
	{ IN_POOL(check.rise), .key = "check_rise", .type = &type_number,
	  .fallback = "2", .min = 1, .max = 1000,
	  .help = "Passes in a row that bring it up again" },
	{ IN_POOL(eject.in_a_row), .key = "eject_after", .type = &type_number,
	  .fallback = "5", .zero = "0", .min = 1, .max = 1000,
	  .help = "Sessions in a row that could not connect put a backend out; 0: never" },
	{ IN_POOL(eject.failure_percent), .key = "eject_percent", .type = &type_number,
	  .fallback = "50", .zero = "0", .min = 1, .max = 100,
	  .help = "So many percent of at least 10 in 10 s do too; 0: never" },
	{ IN_POOL(eject.time_ms), .key = "eject_time", .type = &type_duration,
	  .fallback = "10s", .min = 10 * MS, .max = 1 * HOUR,
	  .help = "For how long; twice, three times as long the next times, up to 5m" },
	{ IN_POOL(eject.ejected_max_percent), .key = "eject_max_percent", .type = &type_number,
	  .fallback = "50", .zero = "0", .min = 1, .max = 100,
	  .help = "Of a pool's backends that may be out before the last try is given up" },
	{ IN_POOL(tls), .key = "tls", .type = &type_flag, .fallback = "no",
	  .help = "Speak TLS to the backends" },
	{ IN_POOL(tls_verify), .key = "tls_verify", .type = &type_flag, .fallback = "yes",
	  .help = "no: trust whoever answers; for tests" },
	{ IN_POOL(tls_ca), .key = "tls_ca", .type = &type_file,
	  .help = "PEM, whose certificates theirs must come from; without: the system's" },
	{ IN_POOL(tls_crl), .key = "tls_crl", .type = &type_file,
	  .help = "PEM, certificates that are revoked" },
	{ IN_POOL(tls_name), .key = "tls_name", .type = &type_name,
	  .help = "Name that their certificate must have; without: the backend's host name" },
	{ IN_POOL(tls_sni), .key = "tls_sni", .type = &type_name,
	  .help = "Name to ask for; without: the one that is verified" },
	{ IN_POOL(tls_alpn), .key = "tls_alpn", .type = &type_text,
	  .help = "Protocols to offer, best first, with commas between" },
	{ IN_POOL(tls_tickets), .key = "tls_tickets", .type = &type_flag, .fallback = "yes",
	  .help = "Resume sessions, with the tickets that backends give out" },
	{ IN_POOL(tls_certificate), .key = "tls_certificate", .type = &type_file,
	  .help = "PEM, ours, if they ask for one" },
	{ IN_POOL(tls_key), .key = "tls_key", .type = &type_file,
	  .help = "PEM, its key; without: in the certificate's file" },
	{ IN_POOL(protocol), .key = "protocol", .type = &type_choice, WORDS(protocol_names),
	  .fallback = "any",
	  .help = "What backends speak; postgres: TLS begins with an SSLRequest" },
	{ IN_POOL(has_direct_tls), .key = "direct_tls", .type = &type_flag, .fallback = "no",
	  .help = "postgres: TLS begins at once, as PostgreSQL 17 can" },
};
/* clang-format on */

const size_t directives_n = ARRAY_LEN(directives);

const struct directive *directive_find(enum config_section section, const char *key)
{
	for (size_t i = 0; i < directives_n; i++) {
		if (directives[i].section == section && strcmp(directives[i].key, key) == 0)
			return &directives[i];
	}
	return NULL;
}

const struct directive *directive_find_old(enum config_section section, const char *key)
{
	for (size_t i = 0; i < directives_n; i++) {
		const struct directive *d = &directives[i];

		if (d->section == section && d->old_key && strcmp(d->old_key, key) == 0)
			return d;
	}
	return NULL;
}

void directive_release(enum config_section section, void *from)
{
	for (size_t i = 0; i < directives_n; i++) {
		const struct directive *d = &directives[i];

		if (d->section == section && d->type->release)
			d->type->release(d, from);
	}
}

void directive_set_defaults(enum config_section section, void *to, struct diag *diag)
{
	for (size_t i = 0; i < directives_n; i++) {
		if (directives[i].section == section)
			setting_default(&directives[i], to, diag);
	}
}

const struct config_location *directive_location(const struct config_location *set_at,
						 enum config_section section, const char *key)
{
	const struct directive *d = directive_find(section, key);

	CHECK(d);
	return &set_at[d - directives];
}
