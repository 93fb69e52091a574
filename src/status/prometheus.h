/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STATUS_PROMETHEUS_H
#define STATUS_PROMETHEUS_H

/* All metrics in the text format of Prometheus, 0.0.4, or as OpenMetrics 1.0. */

#include <stdbool.h>

#include "out.h"
#include "sample.h"

#define PROMETHEUS_TYPE "text/plain; version=0.0.4; charset=utf-8"
#define OPENMETRICS_TYPE "application/openmetrics-text; version=1.0.0; charset=utf-8"

void prometheus_write(const struct sample *sample, bool is_openmetrics, struct out *out);

#endif
