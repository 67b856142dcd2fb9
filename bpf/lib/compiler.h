/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Words for the compiler. */
#ifndef CILIATE_COMPILER_H
#define CILIATE_COMPILER_H

/* Another CPU may be changing it: read it each time it is asked for. */
#define READ_ONCE(field) (*(const volatile typeof(field) *)&(field))

/*
 * A function that the verifier looks at once, whatever its callers know: that is what makes loading
 * quick. It answers a number, to it any pointer may be NULL, and of what it was given a pointer to
 * its caller knows no values afterwards. Structures with pointers in them cannot be given to it.
 */
#define __verified_once __attribute__((noinline, unused))

/* Not every program that includes a function of its own calls it. */
#define __unused __attribute__((unused))

#endif
