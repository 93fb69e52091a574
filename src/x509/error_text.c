/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "x509/error_text.h"

#include "base/def.h"

#include <wolfssl/options.h>
#include <wolfssl/ssl.h>
#include <wolfssl/error-ssl.h>
#include <wolfssl/wolfcrypt/error-crypt.h>

#include <assert.h>
#include <stddef.h>

/* The longest that is read, mostly certificates; the packaged library has its own idea of it. */
#ifdef MAX_CERTIFICATE_SZ
static_assert(MAX_CERTIFICATE_SZ == 65536, "the words below, ringmain(8)");
#define MESSAGE_TOO_LONG "handshake message of more than 64 kB"
#else
#define MESSAGE_TOO_LONG "handshake message of more than 18 kB"
#endif

/* What an operator may meet; for the rest the library's own words do. */
static const struct {
	int code;
	const char *text;
} codes[] = {
	{ ASN_NO_SIGNER_E, "unknown CA" },
	{ ASN_SELF_SIGNED_E, "self-signed certificate of an unknown CA" },
	{ ASN_BEFORE_DATE_E, "certificate not valid yet" },
	{ ASN_AFTER_DATE_E, "certificate expired" },
	{ ASN_SIG_CONFIRM_E, "certificate's signature is wrong" },
	{ ASN_NAME_INVALID_E, "certificate breaks a CA's name constraint" },
	/* Two things with one code. */
	{ ASN_ALT_NAME_E, "certificate has more than 1024 names, or a URI among them that is not "
			  "absolute" },
	{ BAD_LENGTH_E, "certificate has more than 128 name constraints" },
	{ ASN_PATHLEN_INV_E, "certificate chain is longer than its CA allows" },
	{ ASN_PATHLEN_SIZE_E, "certificate chain is longer than its CA allows" },
	{ ASN_CRIT_EXT_E, "certificate has an unknown critical extension" },
	{ ASN_SIG_HASH_E, "certificate is signed with an outdated hash" },
	{ ASN_SIG_OID_E, "certificate's signature algorithm is unknown, or it names two" },
	{ ASN_OBJECT_ID_E, "certificate has a key on an unknown curve, or an extension twice" },
	{ ECC_CURVE_OID_E, "certificate has a key on an unknown curve" },
	{ ASN_ECC_KEY_E, "certificate's key is malformed" },
	{ ALGO_ID_E, "certificate's key does not fit the signature, or is for RSASSA-PSS alone" },
	{ ASN_UNKNOWN_OID_E, "of an algorithm that is not known here" },
	{ ASN_VERSION_E, "certificate is of an old version of X.509" },
	{ ASN_PARSE_E, "malformed" },
	{ ASN_NO_PEM_HEADER, "malformed PEM" },
	{ ASN_INPUT_E, "malformed PEM" },
	{ BUFFER_E, "malformed" },
	{ INPUT_SIZE_E, "bytes behind a certificate" },
	{ MAX_CHAIN_ERROR, "more than 9 certificates in the chain" },
	{ NOT_CA_ERROR, "not a certificate of a CA" },
	{ KEYUSE_SIGNATURE_E, "certificate is not meant for signing" },
	{ EXTKEYUSE_AUTH_E, "certificate is not meant for this side of TLS" },
	{ DOMAIN_NAME_MISMATCH, "certificate is for another name" },
	{ IPADDR_MISMATCH, "certificate is for another address" },
	{ CRL_CERT_REVOKED, "certificate revoked" },
	{ CRL_MISSING, "no revocation list of the certificate's CA" },
	{ CRL_CERT_DATE_ERR, "revocation list is out of date" },
	{ ASN_CRL_CONFIRM_E, "revocation list's signature is wrong" },
	{ ASN_CRL_NO_SIGNER_E, "revocation list is of an unknown CA" },
	{ NO_PEER_CERT, "peer sent no certificate" },
	{ NO_PEER_VERIFY, "peer did not prove that it has the certificate's key" },
	{ VERIFY_CERT_ERROR, "certificate not accepted" },
	{ VERIFY_SIGN_ERROR, "peer's signature is wrong" },
	{ SIG_VERIFY_E, "peer's signature is wrong" },
	{ VERSION_ERROR, "no TLS version in common" },
	{ UNSUPPORTED_PROTO_VERSION, "no TLS version in common" },
	{ MATCH_SUITE_ERROR, "no cipher suite in common" },
	{ UNSUPPORTED_SUITE, "no cipher suite in common" },
	{ KEY_SHARE_ERROR, "no key exchange group in common" },
	{ BAD_KEY_SHARE_DATA, "malformed key share" },
	{ ECC_CURVE_ERROR, "no key exchange group in common" },
	{ ECC_PEERKEY_ERROR, "malformed key share" },
	{ ECC_OUT_OF_RANGE_E, "malformed key share" },
	{ PEER_KEY_ERROR, "malformed key share" },
	{ COMPRESSION_ERROR, "peer wants compression" },
	{ UNKNOWN_ALPN_PROTOCOL_NAME_E, "no application protocol (ALPN) in common" },
	{ VERIFY_MAC_ERROR, "record was changed or made with another key" },
	{ DECRYPT_ERROR, "record was changed or made with another key" },
	{ AES_GCM_AUTH_E, "record was changed or made with another key" },
	{ MAC_CMP_FAILED_E, "record was changed or made with another key" },
	{ VERIFY_FINISHED_ERROR, "handshake was tampered with" },
	{ BAD_BINDER, "ticket does not fit the hello" },
	{ OUT_OF_ORDER_E, "messages out of order" },
	{ SANITY_MSG_E, "messages out of order" },
	{ SIDE_ERROR, "a message of the other side's" },
	{ DUPLICATE_MSG_E, "the same message twice" },
	{ UNKNOWN_HANDSHAKE_TYPE, "unknown message" },
	{ UNKNOWN_RECORD_TYPE, "TLS record that cannot come here" },
	{ PARSE_ERROR, "malformed message" },
	{ BUFFER_ERROR, "malformed message" },
	{ DECODE_E, "malformed message" },
	{ LENGTH_ERROR, "record of a wrong length" },
	{ HANDSHAKE_SIZE_ERROR, MESSAGE_TOO_LONG },
	{ DUPLICATE_TLS_EXT_E, "an extension twice" },
	{ INVALID_PARAMETER, "illegal parameter" },
	{ EXT_MISSING, "a required extension is missing" },
	{ EXT_NOT_ALLOWED, "an extension where it must not be" },
	{ UNSUPPORTED_EXTENSION, "an extension nobody asked for" },
	{ ALERT_COUNT_E, "too many alerts" },
	{ RSA_KEY_SIZE_E, "RSA key too short" },
	{ ECC_KEY_SIZE_E, "elliptic curve key too short" },
	{ MEMORY_E, "out of memory" },
	{ MEMORY_ERROR, "out of memory" },
};

const char *error_text_of_code(int code)
{
	for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
		if (codes[i].code == code)
			return codes[i].text;
	}
	return wolfSSL_ERR_reason_error_string((unsigned long)code);
}

/* Only where it is not the library that says so: nearly always it does. */
enum tlsrec_alert error_alert_of_code(int code)
{
	static const struct {
		int code;
		enum tlsrec_alert alert;
	} rows[] = {
		{ ECC_OUT_OF_RANGE_E, TLSREC_ILLEGAL_PARAMETER },
		{ ECC_PEERKEY_ERROR, TLSREC_ILLEGAL_PARAMETER },
		{ PEER_KEY_ERROR, TLSREC_ILLEGAL_PARAMETER },
		{ DUPLICATE_TLS_EXT_E, TLSREC_ILLEGAL_PARAMETER },
		{ INVALID_PARAMETER, TLSREC_ILLEGAL_PARAMETER },
		{ OUT_OF_ORDER_E, TLSREC_UNEXPECTED_MESSAGE },
		{ SANITY_MSG_E, TLSREC_UNEXPECTED_MESSAGE },
		{ SIDE_ERROR, TLSREC_UNEXPECTED_MESSAGE },
		{ DUPLICATE_MSG_E, TLSREC_UNEXPECTED_MESSAGE },
		{ UNKNOWN_HANDSHAKE_TYPE, TLSREC_UNEXPECTED_MESSAGE },
		{ UNKNOWN_RECORD_TYPE, TLSREC_UNEXPECTED_MESSAGE },
		{ BUFFER_E, TLSREC_DECODE_ERROR },
		{ BUFFER_ERROR, TLSREC_DECODE_ERROR },
		{ PARSE_ERROR, TLSREC_DECODE_ERROR },
		{ DECODE_E, TLSREC_DECODE_ERROR },
		{ LENGTH_ERROR, TLSREC_DECODE_ERROR },
		{ HANDSHAKE_SIZE_ERROR, TLSREC_DECODE_ERROR },
		{ SIG_VERIFY_E, TLSREC_DECRYPT_ERROR },
		{ VERIFY_FINISHED_ERROR, TLSREC_DECRYPT_ERROR },
		{ VERIFY_MAC_ERROR, TLSREC_BAD_RECORD_MAC },
		{ DECRYPT_ERROR, TLSREC_BAD_RECORD_MAC },
		{ VERSION_ERROR, TLSREC_PROTOCOL_VERSION },
		{ EXT_MISSING, TLSREC_MISSING_EXTENSION },
		{ EXT_NOT_ALLOWED, TLSREC_ILLEGAL_PARAMETER },
		{ UNSUPPORTED_EXTENSION, TLSREC_UNSUPPORTED_EXTENSION },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (rows[i].code == code)
			return rows[i].alert;
	}
	return TLSREC_HANDSHAKE_FAILURE;
}

static const struct {
	int alert;
	const char *text;
} alerts[] = {
	{ 0, "close notify" },
	{ 10, "unexpected message" },
	{ 20, "bad record" },
	{ 22, "record overflow" },
	{ 40, "handshake failure" },
	{ 42, "bad certificate" },
	{ 43, "unsupported certificate" },
	{ 44, "certificate revoked" },
	{ 45, "certificate expired" },
	{ 46, "certificate unknown" },
	{ 47, "illegal parameter" },
	{ 48, "unknown CA" },
	{ 49, "access denied" },
	{ 50, "decode error" },
	{ 51, "decrypt error" },
	{ 70, "protocol version" },
	{ 71, "insufficient security" },
	{ 80, "internal error" },
	{ 86, "inappropriate fallback" },
	{ 90, "user canceled" },
	{ 109, "missing extension" },
	{ 110, "unsupported extension" },
	{ 112, "unrecognized name" },
	{ 115, "unknown PSK identity" },
	{ 116, "certificate required" },
	{ 120, "no application protocol" },
};

const char *error_text_of_alert(int alert)
{
	for (size_t i = 0; i < ARRAY_LEN(alerts); i++) {
		if (alerts[i].alert == alert)
			return alerts[i].text;
	}
	return "unknown alert";
}

const char *error_text_of_version(uint16_t version)
{
	static const char *const names[] = { "SSL 3.0", "TLS 1.0", "TLS 1.1", "TLS 1.2",
					     "TLS 1.3" };
	unsigned minor = version & 0xff;

	return version >> 8 == 3 && minor < ARRAY_LEN(names) ? names[minor] : "an unknown version";
}
