/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONFIG_GUESS_H
#define CONFIG_GUESS_H

/*
 * What was probably meant with a quantity that is written in another way:
 * '10k', '5min', '1h30m', '1.5s', '256MB', '100r/s'. Each gives @text, the right
 * form, or NULL when it is anybody's guess.
 */

#include "base/text.h"

const char *guess_number(const char *typed, char text[TEXT_NUMBER_BYTES]);
const char *guess_duration(const char *typed, char text[TEXT_NUMBER_BYTES]);
const char *guess_size(const char *typed, char text[TEXT_NUMBER_BYTES]);
const char *guess_rate(const char *typed, char text[TEXT_NUMBER_BYTES]);
const char *guess_byte_rate(const char *typed, char text[TEXT_NUMBER_BYTES]);

#endif
