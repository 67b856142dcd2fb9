/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the masquerade rules say of a flow: the entry of the longest prefix holds the result of
 * every rule that covers it. Pods that policies select have a table of their class, which is asked
 * first. docs/MASQUERADING.md, "The table".
 */
#ifndef CILIATE_MASQUERADE_RULES_H
#define CILIATE_MASQUERADE_RULES_H

#include <bpf/bpf_endian.h>

#include "../maps.h"
#include "compiler.h"
#include "packet.h"
#include "repeat.h"

enum {
	MASQUERADE_CLASS_ALL = 0, /* what is for all pods */
};

struct masquerade_verdict {
	const struct ip_address *address; /* of MASQUERADE_ADDRESS, in the map */
	__u32 rule; /* its place in the ordered list */
	__u32 generation; /* whose list that is */
	enum masquerade_action action;
};

static __always_inline struct ip_address address_masked(const struct ip_address *address,
							const struct ip_address *mask)
{
	struct ip_address masked = {{
		address->words[0] & mask->words[0],
		address->words[1] & mask->words[1],
		address->words[2] & mask->words[2],
		address->words[3] & mask->words[3],
	}};

	return masked;
}

/*
 * What stands at the longest prefix of `destination` in a table; no rule where there is none. A
 * marker stands for the prefix around it. The looks are in a map, not computed: so the verifier
 * meets the same unknown number after a hit and after a miss, and goes one way.
 */
static __always_inline struct masquerade_rule
masquerade_rule_lookup(__u32 table, const struct ip_address *destination, bool is_v6)
{
	__u32 looks = ((is_v6 ? 2 : 0) | (table & 1)) << MASQUERADE_LOOKS_BITS;
	struct masquerade_rule_key key = {.table = table};
	struct masquerade_rule longest = {};
	__u32 next = 0;

	for (int i = 0; i < MASQUERADE_LOOKS_MAX && next != MASQUERADE_NO_LOOK; i++) {
		__u32 number = looks | next;
		struct masquerade_look *look = bpf_map_lookup_elem(&masquerade_looks, &number);
		struct masquerade_rule *found;

		if (!look || look->length > MASQUERADE_LENGTH_MAX)
			break;
		key.prefix_length = look->length;
		key.address = address_masked(destination, &look->mask);
		found = bpf_map_lookup_elem(&masquerade_rules, &key);
		next = look->shorter;
		if (found) {
			longest = *found;
			next = look->longer;
		}
	}
	return longest;
}

/* Port in host order; 0 where the protocol has none. */
static __always_inline bool masquerade_choice_fits(const struct masquerade_choice *choice,
						   __u8 protocol, __u16 port)
{
	return !choice->protocol || (choice->protocol == protocol && port >= choice->port_first &&
				     port <= choice->port_last);
}

/* A packet to decide about, and what the choices of its prefix say of it. */
struct masquerade_question {
	struct ip_address destination;
	__u32 first; /* the key of the first choice */
	__u32 chosen; /* of the one that fits; 0: none */
	__u16 action;
	__u16 port;
	__u8 protocol;
	bool is_v6;
};

/* Keys of choices begin at 2: 0 means none. */
static long masquerade_choose(__u32 at, void *context)
{
	struct masquerade_question *asked = context;
	__u32 number = asked->first + 2 * at;
	const struct masquerade_choice *choice = bpf_map_lookup_elem(&masquerade_choices, &number);

	if (!choice)
		return 1;
	if (!masquerade_choice_fits(choice, asked->protocol, asked->port))
		return choice->is_last & 1; /* the verifier wants 0 or 1 */
	asked->action = choice->action;
	asked->chosen = number;
	return 1;
}

/*
 * An answer as one number: the generation's above; below it the action's 4 bits, whether it is a
 * choice's, and 27 bits of the rule's place, or of the key of the choice.
 */
enum { ANSWER_GENERATION = 32, ANSWER_ACTION = 28, ANSWER_IS_CHOICE = 27 };

static __always_inline enum masquerade_action answer_action(__u64 answer)
{
	return answer >> ANSWER_ACTION & 15;
}

/*
 * The answer of one table: class * 2 + the lowest bit of a generation. This and the next are global
 * functions: the verifier looks at each once, whoever calls it. So they take numbers: the
 * destination's halves, and protocol, family and port.
 */
__verified_once __u64 masquerade_table_ask(__u64 high, __u64 low, __u32 table, __u32 kind)
{
	struct masquerade_question asked = {
		.port = kind & 0xffff,
		.protocol = kind >> 16 & 0xff,
		.is_v6 = kind >> 24 & 1,
	};
	struct masquerade_rule found;

	__builtin_memcpy(&asked.destination.words[0], &high, sizeof(high));
	__builtin_memcpy(&asked.destination.words[2], &low, sizeof(low));
	found = masquerade_rule_lookup(table, &asked.destination, asked.is_v6);
	if (!(found.flags & MASQUERADE_BY_CHOICE))
		return (found.action & 15ULL) << ANSWER_ACTION |
		       (found.rule & ((1U << ANSWER_IS_CHOICE) - 1));
	asked.first = found.rule;
	REPEAT(MASQUERADE_CHOICES_MAX, MASQUERADE_CHOICES_MAX, masquerade_choose, &asked);
	if (!asked.chosen)
		return 0;
	return (asked.action & 15ULL) << ANSWER_ACTION | 1ULL << ANSWER_IS_CHOICE |
	       (asked.chosen & ((1U << ANSWER_IS_CHOICE) - 1));
}

/*
 * The answer of one generation. The table of a pod's class has the policies that are for it, in
 * their order; where none of them matches, what is behind policies stands in the table of all.
 */
static __always_inline __u64 masquerade_answer(__u64 high, __u64 low, __u32 endpoint, __u32 kind,
					       __u32 generation)
{
	__u32 key = endpoint << 1 | (generation & 1);
	const __u32 *class = bpf_map_lookup_elem(&masquerade_classes, &key);
	__u64 answer = 0;

	if (class)
		answer = masquerade_table_ask(high, low, *class << 1 | (generation & 1), kind);
	if (!answer_action(answer))
		answer = masquerade_table_ask(high, low,
					      MASQUERADE_CLASS_ALL << 1 | (generation & 1), kind);
	return (__u64)generation << ANSWER_GENERATION | answer;
}

/*
 * Ask for a packet of `endpoint`. While a generation comes into force the former one's tables are
 * emptied; what was read meanwhile is read again.
 */
__verified_once __u64 masquerade_rules_ask(__u64 high, __u64 low, __u32 endpoint, __u32 kind)
{
	__u32 zero = 0;
	const volatile struct masquerade_generation *now =
		bpf_map_lookup_elem(&masquerade_generations, &zero);
	__u64 answer;

	if (!now) /* an array has all its entries */
		return 0;
	answer = masquerade_answer(high, low, endpoint, kind, now->number);
	if (now->number != answer >> ANSWER_GENERATION) /* no loop: see repeat.h */
		answer = masquerade_answer(high, low, endpoint, kind, now->number);
	return answer;
}

/*
 * Ask the rules about a packet of `endpoint` whose ports are known (parse_l4). MASQUERADE_NO_RULE:
 * the address of the device.
 */
static __always_inline void masquerade_rules_say(__u32 endpoint, const struct packet *packet,
						 struct masquerade_verdict *verdict)
{
	const struct masquerade_choice *choice;
	bool has_ports = packet->l4_kind == L4_PORTS;
	__u16 port = has_ports ? bpf_ntohs(packet->tuple.destination_port) : 0;
	__u64 high, low, answer;
	__u32 number;

	__builtin_memcpy(&high, &packet->tuple.destination.words[0], sizeof(high));
	__builtin_memcpy(&low, &packet->tuple.destination.words[2], sizeof(low));
	answer = masquerade_rules_ask(high, low, endpoint,
				      (__u32)packet->is_v6 << 24 | packet->tuple.protocol << 16 |
					      port);
	verdict->generation = answer >> ANSWER_GENERATION;
	verdict->action = answer_action(answer);
	number = answer & ((1U << ANSWER_IS_CHOICE) - 1);
	verdict->rule = number;
	if (!(answer >> ANSWER_IS_CHOICE & 1))
		return;
	choice = bpf_map_lookup_elem(&masquerade_choices, &number);
	if (!choice)
		return;
	verdict->rule = choice->rule;
	verdict->address = &choice->address;
}

#endif
