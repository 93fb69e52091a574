/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PREREAD_CLIENT_ACCESS_H
#define PREREAD_CLIENT_ACCESS_H

/* Who a client is by its certificate: whether that one may enter, and where to. */

#include "preread/step.h"

/* After the handshake: STEP_NEXT, or STEP_REFUSE, with its alert on the way. */
enum step_verdict client_access_judge(struct session *s, struct step_answer *answer);

#endif
