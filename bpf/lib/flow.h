/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * struct flow: what is being decided at one attach point, and what the steps so far have found.
 * A step that decides takes it; one that only reads or writes headers takes struct packet.
 */
#ifndef CILIATE_FLOW_H
#define CILIATE_FLOW_H

#include "packet.h"

/*
 * Pointers are into maps, and NULL until the step that looks up has found something. The packet is
 * apart: helpers are given addresses within it, and the compiler must assume that they change all
 * of the object; so the rest stays in registers, and `point` a constant.
 */
struct flow {
	struct packet *packet;
	enum attach_point point;
	const struct interface *interface; /* from_pod, to_pod: the pod this device belongs to */
	const struct endpoint *receiver; /* who on this node has the destination */
	struct connection *connection; /* the one that what a pod sends is of */
	__u32 identity; /* from_tunnel: of the sender, as its node says; else 0 */
	int l4_error; /* a drop reason where its ports could not be read */
};

#endif
