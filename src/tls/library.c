/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "tls/library.h"

#include "tls/memory.h"

#include <wolfssl/options.h>
#include <wolfssl/ssl.h>
#include <wolfssl/wolfcrypt/ecc.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#if defined(__aarch64__)
#include <sys/auxv.h>
#ifndef HWCAP_AES
#define HWCAP_AES (1 << 3)
#endif
#endif

#ifdef RINGMAIN_WOLFSSL_OWN
/* The library's own, eight bytes at a time, takes an eighth of the time that decrypting does. */
void ForceZero(void *memory, word32 n);

void ForceZero(void *memory, word32 n)
{
	explicit_bzero(memory, n);
}
#endif

int tls_library_start(void)
{
	int err = memory_watch();

	if (err < 0)
		return err;
	return wolfSSL_Init() == WOLFSSL_SUCCESS ? 0 : -EIO;
}

void tls_library_stop(void)
{
	wolfSSL_Cleanup();
}

void tls_library_leave_thread(void)
{
#if defined(FP_ECC) && defined(HAVE_THREAD_LS)
	wc_ecc_fp_free();
#endif
}

const char *tls_library_version(void)
{
	return "wolfSSL " LIBWOLFSSL_VERSION_STRING;
}

bool tls_library_is_fast(void)
{
#if defined(WOLFSSL_AESNI) || defined(WOLFSSL_ARMASM)
	return true;
#else
	return false;
#endif
}

/*
 * The library breaks off a handshake when a client offers a longer ticket for
 * TLS 1.2: its SESSION_TICKET_LEN, which no public header has. None of ours is.
 */
enum {
	TICKET_BYTES_MAX = 170
#if LIBWOLFSSL_VERSION_HEX >= 0x05009002
			   + 68 /* the name and the protocol that it is for */
#endif
#ifdef WOLFSSL_TICKET_HAVE_ID
			   + 32
#endif
#ifdef OPENSSL_EXTRA
			   + 33
#endif
};

size_t tls_library_ticket_bytes_max(void)
{
	return TICKET_BYTES_MAX;
}

bool tls_library_keeps_order(void)
{
#if defined(RINGMAIN_WOLFSSL_OWN) || LIBWOLFSSL_VERSION_HEX >= 0x05008004
	return true;
#else
	return false;
#endif
}

/* Measured with Debian 12's: 1.9 ms for a handshake with P-256, 54 kB for an idle session. */
const char *tls_library_cost(void)
{
#ifdef RINGMAIN_WOLFSSL_OWN
	return NULL;
#else
	return tls_library_is_fast()
		       ? "not ringmain's own build: TLS needs more memory"
		       : "without this processor's instructions for cryptography: TLS is tens of "
			 "times slower and needs several times the memory (built with "
			 "WOLFSSL=system)";
#endif
}

bool tls_cpu_has_aes(void)
{
#if defined(__x86_64__)
	return __builtin_cpu_supports("aes") && __builtin_cpu_supports("pclmul");
#elif defined(__aarch64__)
	return (getauxval(AT_HWCAP) & HWCAP_AES) != 0;
#else
	return false;
#endif
}
