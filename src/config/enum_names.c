/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The words of config.h's enums, as they are written in the file. */
#include "config/config.h"

const char *const relay_mode_names[RELAY_MODES] = {
	[RELAY_AUTO] = "auto",
	[RELAY_COPY] = "copy",
	[RELAY_SPLICE] = "splice",
};

const char *const balance_kind_names[BALANCE_KINDS] = {
	[BALANCE_ROUNDROBIN] = "roundrobin", [BALANCE_LEASTCONN] = "leastconn",
	[BALANCE_RANDOM] = "random",         [BALANCE_MAGLEV] = "maglev",
	[BALANCE_FIRST] = "first",
};

const char *const check_kind_names[CHECK_KINDS] = {
	[CHECK_NONE] = "none",         [CHECK_TCP] = "tcp",       [CHECK_HTTP] = "http",
	[CHECK_POSTGRES] = "postgres", [CHECK_MYSQL] = "mysql",   [CHECK_REDIS] = "redis",
	[CHECK_SMTP] = "smtp",         [CHECK_IMAP] = "imap",     [CHECK_SSH] = "ssh",
	[CHECK_MQTT] = "mqtt",         [CHECK_LDAP] = "ldap",     [CHECK_AMQP] = "amqp",
	[CHECK_TLS] = "tls",           [CHECK_EXPECT] = "expect",
};

const char *const check_tls_names[CHECK_TLS_SETTINGS] = {
	[CHECK_TLS_AUTO] = "auto",
	[CHECK_TLS_NO] = "no",
	[CHECK_TLS_YES] = "yes",
};

const char *const role_setting_names[ROLE_SETTINGS] = {
	[ROLE_ANY] = "any",
	[ROLE_PRIMARY] = "primary",
	[ROLE_REPLICA] = "replica",
	[ROLE_PREFER_REPLICA] = "prefer_replica",
};

const char *const fence_setting_names[FENCE_SETTINGS] = {
	[FENCE_AUTO] = "auto",
	[FENCE_NO] = "no",
	[FENCE_YES] = "yes",
};

const char *const on_down_names[ON_DOWNS] = {
	[ON_DOWN_AUTO] = "auto",
	[ON_DOWN_KEEP] = "keep",
	[ON_DOWN_DRAIN] = "drain",
	[ON_DOWN_RESET] = "reset",
};

const char *const expect_word_names[EXPECT_WORDS] = {
	[EXPECT_WORD_SEND] = "send",     [EXPECT_WORD_HEX] = "send_hex",
	[EXPECT_WORD_EXPECT] = "expect", [EXPECT_WORD_OR] = "or",
	[EXPECT_WORD_FAIL] = "fail",
};

const char *const tls_mode_names[TLS_MODES] = {
	[TLS_MODE_OFF] = "off",
	[TLS_MODE_PASSTHROUGH] = "passthrough",
	[TLS_MODE_TERMINATE] = "terminate",
	[TLS_MODE_AUTO] = "auto",
};

const char *const tls_floor_names[TLS_FLOORS] = {
	[TLS_FLOOR_AUTO] = "auto",
	[TLS_FLOOR_12] = "1.2",
	[TLS_FLOOR_13] = "1.3",
};

const char *const route_kind_names[ROUTE_KINDS] = {
	[ROUTE_SNI] = "sni",
	[ROUTE_ALPN] = "alpn",
	[ROUTE_DATABASE] = "database",
	[ROUTE_USER] = "user",
	[ROUTE_CLIENT_SAN] = "client_san",
};

const char *const proxy_version_names[PROXY_VERSIONS] = {
	[PROXY_OFF] = "off",
	[PROXY_V1] = "v1",
	[PROXY_V2] = "v2",
};

const char *const proxy_header_names[PROXY_HEADERS] = {
	[PROXY_HEADER_OFF] = "off",
	[PROXY_HEADER_ACCEPT] = "accept",
};

const char *const client_key_names[CLIENT_KEYS] = {
	[CLIENT_KEY_NONE] = "off",
	[CLIENT_KEY_SOURCE] = "source",
	[CLIENT_KEY_SNI] = "sni",
	[CLIENT_KEY_DESTINATION] = "destination",
};

const char *const log_sessions_names[LOG_SESSIONS_KINDS] = {
	[LOG_SESSIONS_END] = "end",
	[LOG_SESSIONS_BOTH] = "both",
	[LOG_SESSIONS_UNUSUAL] = "unusual",
	[LOG_SESSIONS_OFF] = "off",
};

const char *const over_limit_names[OVER_LIMITS] = {
	[OVER_LIMIT_CLOSE] = "close",
	[OVER_LIMIT_DROP] = "drop",
};
