/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Doing something again and again. With bpf_loop (Linux 5.17) the verifier looks at what is
 * repeated once; before, at each repetition, so there are fewer of them. They stand one behind the
 * other: before 6.4 the verifier takes no way back to what follows a call (check_cfg), and a
 * compiler may put a loop's beginning there.
 */
#ifndef CILIATE_REPEAT_H
#define CILIATE_REPEAT_H

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "../config.h"

/*
 * Calls `step(number, context)` until it returns 1, at most `times`, or `times_old` where the
 * kernel lacks the helper.
 */
/* clang-format off */
#define REPEAT(times, times_old, step, context)                                                    \
	do {                                                                                       \
		if (has_loop) {                                                                    \
			bpf_loop(times, step, context, 0);                                         \
			break;                                                                     \
		}                                                                                  \
		_Pragma("clang loop unroll(full)")                                                 \
		for (int number = 0; number < (times_old); number++)                               \
			if (step(number, context))                                                 \
				break;                                                             \
	} while (0)
/* clang-format on */

#endif
