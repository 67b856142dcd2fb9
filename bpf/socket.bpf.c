/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * socket: where processes of the node and of its pods connect, send, receive and bind, seen at the
 * cgroup that all of them are in. A Service is translated once, here, and its packets then go to
 * the backend like any others. docs/SERVICES.md, "At the socket"; the numbers are its steps.
 */
#include <linux/bpf.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "lib/ipcache.h"
#include "lib/socket_event.h"
#include "lib/service.h"

/* What a program answers the kernel: go on, or fail the call. */
enum { CALL_REFUSED = 0, CALL_PROCEEDS = 1 };

/* errno.h, of every architecture that we know. */
enum { ERROR_NO_MEMORY = 12, ERROR_IN_USE = 98, ERROR_REFUSED = 111 };

/* Whom a call names, in the form of maps. */
struct peer {
	struct ip_address address;
	__be16 port;
	bool is_v6; /* of the packets: a mapped address is none */
};

static __always_inline int refuse(int error)
{
	if (has_set_retval)
		bpf_set_retval(-error);
	return CALL_REFUSED;
}

static __always_inline struct peer peer_v4(const struct bpf_sock_addr *call)
{
	struct peer peer = {
		.address = address_from_v4(call->user_ip4),
		.port = (__be16)call->user_port,
	};

	return peer;
}

static __always_inline struct peer peer_v6(const struct bpf_sock_addr *call)
{
	struct peer peer = {.port = (__be16)call->user_port};

	peer.address.words[0] = call->user_ip6[0];
	peer.address.words[1] = call->user_ip6[1];
	peer.address.words[2] = call->user_ip6[2];
	peer.address.words[3] = call->user_ip6[3];
	peer.is_v6 = !address_is_mapped(&peer.address);
	return peer;
}

static __always_inline void name_v4(struct bpf_sock_addr *call, const struct ip_address *address,
				    __be16 port)
{
	call->user_ip4 = address->words[3];
	call->user_port = port;
}

static __always_inline void name_v6(struct bpf_sock_addr *call, const struct ip_address *address,
				    __be16 port)
{
	call->user_ip6[0] = address->words[0];
	call->user_ip6[1] = address->words[1];
	call->user_ip6[2] = address->words[2];
	call->user_ip6[3] = address->words[3];
	call->user_port = port;
}

/* Does a process of the node itself call, and none of a pod? */
static __always_inline bool is_of_node(void *call)
{
	return bpf_get_netns_cookie(call) == node_netns_cookie;
}

/* 127/8, ::1, and what the kernel takes for it: the unspecified address. */
static __always_inline bool is_loopback(const struct peer *peer)
{
	const struct ip_address *address = &peer->address;
	__u32 last = bpf_ntohl(address->words[3]);

	if (!peer->is_v6)
		return last >> 24 == 127 || !last;
	return !(address->words[0] | address->words[1] | address->words[2]) && last <= 1;
}

/* Is this an address of this very node? */
static __always_inline bool is_address_of_this_node(const struct ip_address *address)
{
	const struct endpoint *endpoint = bpf_map_lookup_elem(&endpoints, address);

	return endpoint && endpoint->flags & ENDPOINT_HOST;
}

/* Are node ports served here for who asks this address? Those of other nodes are, but for a switch.
 */
static __always_inline bool has_node_ports(const struct ip_address *address)
{
	return remote_node_ports_outside ? is_address_of_this_node(address)
					 : is_address_of_a_node(address);
}

/*
 * May whoever calls be sent elsewhere than to the address of this frontend? An external IP is
 * anybody's who may write a Service: else he would get what pods send to that address
 * (CVE-2020-8554). A hostPort is its node's alone.
 */
static __always_inline bool is_for_caller(const struct frontend *frontend, const struct peer *peer)
{
	switch (frontend->type) {
	case FRONTEND_EXTERNAL_IP:
		return external_ips_for_all || is_address_of_this_node(&peer->address);
	case FRONTEND_HOST_PORT:
		return is_loopback(peer) || (!(frontend->flags & FRONTEND_LOOPBACK_ONLY) &&
					     is_address_of_this_node(&peer->address));
	}
	return true;
}

/* 2: which frontend the call names; NULL: no Service's. */
static __always_inline const struct frontend *frontend_of(struct bpf_sock_addr *call,
							  const struct peer *peer)
{
	bool loopback = is_loopback(peer);
	const struct frontend *frontend;

	if (loopback && !is_of_node(call))
		return NULL; /* a pod's own */
	if (!loopback) {
		frontend = frontend_at(&peer->address, peer->port, call->protocol, SCOPE_INSIDE);
		if (frontend)
			return is_for_caller(frontend, peer) ? frontend : NULL;
	}
	if (!loopback && !has_node_ports(&peer->address))
		return NULL;
	frontend = frontend_of_node(peer->is_v6, peer->port, call->protocol, SCOPE_INSIDE);
	return frontend && is_for_caller(frontend, peer) ? frontend : NULL;
}

/* The place in `peers` where the socket has this frontend, or SOCKET_PEERS_MAX. */
static __always_inline __u32 place_of_frontend(const struct socket_peers *peers,
					       const struct peer *peer)
{
#pragma clang loop unroll(full)
	for (__u32 place = 0; place < SOCKET_PEERS_MAX; place++)
		if (peers->frontend_port[place] == peer->port &&
		    address_equal(&peers->frontend[place], &peer->address))
			return place;
	return SOCKET_PEERS_MAX;
}

/*
 * The slot of the backend that a socket's earlier datagrams to this frontend went to, while it is
 * there; so what belongs together arrives at one.
 */
static __always_inline __u32 slot_by_socket(const struct socket_peers *peers,
					    const struct peer *peer, __u32 service)
{
	__u32 place = peers ? place_of_frontend(peers, peer) : SOCKET_PEERS_MAX;
	const struct backend *backend;
	__u32 slot;

	if (!peers || place >= SOCKET_PEERS_MAX)
		return SLOT_NONE;
	slot = peers->slot[place];
	backend = backend_in(service, slot);
	if (!backend || backend->port != peers->backend_port[place] ||
	    !address_equal(&backend->address, &peers->backend[place]))
		return SLOT_NONE;
	return slot;
}

/* Note in the socket whom it asked for and whom it got. False: there is no memory for it. */
static __always_inline bool note_peer(struct bpf_sock_addr *call, const struct peer *peer,
				      const struct backend *backend, __u32 slot)
{
	struct socket_peers *peers = call->sk ? bpf_sk_storage_get(&socket_peers, call->sk, NULL,
								   BPF_SK_STORAGE_GET_F_CREATE)
					      : NULL;
	__u32 place;

	if (!peers)
		return false;
	place = place_of_frontend(peers, peer);
	if (place >= SOCKET_PEERS_MAX) {
		place = peers->next & (SOCKET_PEERS_MAX - 1);
		peers->next = place + 1;
	}
	peers->frontend[place] = peer->address;
	peers->frontend_port[place] = peer->port;
	peers->backend[place] = backend->address;
	peers->backend_port[place] = backend->port;
	peers->slot[place] = slot;
	return true;
}

/* 4: the slot of the backend that the call gets; `keeps`: earlier datagrams may have decided. */
static __always_inline __u32 choose(struct bpf_sock_addr *call, const struct peer *peer,
				    const struct frontend *frontend, const struct service *service,
				    const struct affinity_key *client, bool keeps)
{
	const struct socket_peers *peers;
	__u32 slot = SLOT_NONE;

	if (service->affinity_s) {
		slot = slot_by_affinity(&service_affinities, client, service);
	} else if (keeps && call->sk) {
		peers = bpf_sk_storage_get(&socket_peers, call->sk, NULL, 0);
		slot = slot_by_socket(peers, peer, frontend->service);
	}
	return slot != SLOT_NONE && slot <= service->backends ? slot : slot_by_chance(service);
}

/*
 * Translate what a call names. CALL_PROCEEDS with `*backend` NULL: it names no Service; with a
 * backend: that is meant. CALL_REFUSED: there is none.
 */
static __always_inline int translate(struct bpf_sock_addr *call, const struct peer *peer,
				     bool keeps, const struct backend **backend)
{
	const struct frontend *frontend;
	const struct service *service;
	struct affinity_key client = {};
	__u64 cookie;
	__u32 slot;

	if (call->protocol != IPPROTO_TCP && call->protocol != IPPROTO_UDP) /* 1 */
		return CALL_PROCEEDS;
	if (sockets_of_node_only && !is_of_node(call))
		return CALL_PROCEEDS;
	frontend = frontend_of(call, peer); /* 2 */
	if (!frontend)
		return CALL_PROCEEDS;
	tell_socket(call, SOCKET_PRE_FORWARD, &peer->address, peer->port);
	service = service_of(frontend); /* 3 */
	if (!service || !service->backends)
		return refuse(ERROR_REFUSED);
	if (service->affinity_s) {
		cookie = bpf_get_netns_cookie(call);
		client.client.words[0] = cookie >> 32;
		client.client.words[1] = cookie;
		client.service = frontend->service;
	}
	slot = choose(call, peer, frontend, service, &client, keeps); /* 4 */
	*backend = backend_or_first(frontend->service, slot);
	if (!*backend)
		return refuse(ERROR_REFUSED);
	if (service->affinity_s)
		note_affinity(&service_affinities, &client, *backend);
	if (!note_peer(call, peer, *backend, slot)) /* 5 */
		return refuse(ERROR_NO_MEMORY);
	tell_socket(call, SOCKET_POST_FORWARD, &(*backend)->address, (*backend)->port);
	return CALL_PROCEEDS;
}

SEC("cgroup/connect4")
int connect4(struct bpf_sock_addr *call)
{
	struct peer peer = peer_v4(call);
	const struct backend *backend = NULL;
	int answer = translate(call, &peer, false, &backend);

	if (backend)
		name_v4(call, &backend->address, backend->port);
	return answer;
}

SEC("cgroup/connect6")
int connect6(struct bpf_sock_addr *call)
{
	struct peer peer = peer_v6(call);
	const struct backend *backend = NULL;
	int answer = translate(call, &peer, false, &backend);

	if (backend)
		name_v6(call, &backend->address, backend->port);
	return answer;
}

SEC("cgroup/sendmsg4")
int sendmsg4(struct bpf_sock_addr *call)
{
	struct peer peer = peer_v4(call);
	const struct backend *backend = NULL;
	int answer = translate(call, &peer, true, &backend);

	if (backend)
		name_v4(call, &backend->address, backend->port);
	return answer;
}

SEC("cgroup/sendmsg6")
int sendmsg6(struct bpf_sock_addr *call)
{
	struct peer peer = peer_v6(call);
	const struct backend *backend = NULL;
	int answer = translate(call, &peer, true, &backend);

	if (backend)
		name_v6(call, &backend->address, backend->port);
	return answer;
}

/* Whom the socket asked for, where `peer` is the backend that it got: the place, or none. */
static __always_inline __u32 place_of_backend(const struct socket_peers *peers,
					      const struct peer *peer)
{
#pragma clang loop unroll(full)
	for (__u32 place = 0; place < SOCKET_PEERS_MAX; place++)
		if (peers->backend_port[place] == peer->port &&
		    address_equal(&peers->backend[place], &peer->address))
			return place;
	return SOCKET_PEERS_MAX;
}

/* What a process is told of its peer: the Service that it asked for. */
static __always_inline int restore_v4(struct bpf_sock_addr *call)
{
	const struct socket_peers *peers =
		call->sk ? bpf_sk_storage_get(&socket_peers, call->sk, NULL, 0) : NULL;
	struct peer peer = peer_v4(call);
	__u32 place;

	tell_socket(call, SOCKET_PRE_REVERSE, &peer.address, peer.port);
	if (!peers)
		return CALL_PROCEEDS;
	place = place_of_backend(peers, &peer);
	if (place >= SOCKET_PEERS_MAX)
		return CALL_PROCEEDS;
	name_v4(call, &peers->frontend[place], peers->frontend_port[place]);
	tell_socket(call, SOCKET_POST_REVERSE, &peers->frontend[place],
		    peers->frontend_port[place]);
	return CALL_PROCEEDS;
}

static __always_inline int restore_v6(struct bpf_sock_addr *call)
{
	const struct socket_peers *peers =
		call->sk ? bpf_sk_storage_get(&socket_peers, call->sk, NULL, 0) : NULL;
	struct peer peer = peer_v6(call);
	__u32 place;

	tell_socket(call, SOCKET_PRE_REVERSE, &peer.address, peer.port);
	if (!peers)
		return CALL_PROCEEDS;
	place = place_of_backend(peers, &peer);
	if (place >= SOCKET_PEERS_MAX)
		return CALL_PROCEEDS;
	name_v6(call, &peers->frontend[place], peers->frontend_port[place]);
	tell_socket(call, SOCKET_POST_REVERSE, &peers->frontend[place],
		    peers->frontend_port[place]);
	return CALL_PROCEEDS;
}

SEC("cgroup/recvmsg4")
int recvmsg4(struct bpf_sock_addr *call)
{
	return restore_v4(call);
}

SEC("cgroup/recvmsg6")
int recvmsg6(struct bpf_sock_addr *call)
{
	return restore_v6(call);
}

SEC("cgroup/getpeername4")
int getpeername4(struct bpf_sock_addr *call)
{
	return restore_v4(call);
}

SEC("cgroup/getpeername6")
int getpeername6(struct bpf_sock_addr *call)
{
	return restore_v6(call);
}

/* Has a Service this port, on this address of the node or on all? */
static __always_inline bool is_taken(const struct ip_address *address, __be16 port, __u8 protocol)
{
	bool is_v6 = !address_is_mapped(address);
	const struct frontend *frontend = frontend_at(address, port, protocol, SCOPE_OUTSIDE);

	if (!frontend || frontend->flags & FRONTEND_UNKNOWN_PORT)
		frontend = frontend_of_node(is_v6, port, protocol, SCOPE_OUTSIDE);
	return frontend && frontend->type != FRONTEND_HOST_PORT &&
	       frontend->type != FRONTEND_CLUSTER_IP;
}

/*
 * A process of the node may not take a port that a Service has: its packets would never reach it.
 * One that binds to :: takes the port of IPv4 too, but for IPV6_V6ONLY, which is not seen here.
 */
static __always_inline int protect(struct bpf_sock *socket, const struct ip_address *address)
{
	const struct ip_address any_v4 = {{0, 0, bpf_htonl(0xffff), 0}};
	__be16 port = bpf_htons(socket->src_port);
	__u8 protocol = socket->protocol;

	if ((protocol != IPPROTO_TCP && protocol != IPPROTO_UDP) || !is_of_node(socket))
		return CALL_PROCEEDS;
	if (is_taken(address, port, protocol) ||
	    (address_is_zero(address) && is_taken(&any_v4, port, protocol)))
		return refuse(ERROR_IN_USE);
	return CALL_PROCEEDS;
}

SEC("cgroup/post_bind4")
int post_bind4(struct bpf_sock *socket)
{
	struct ip_address address = address_from_v4(socket->src_ip4);

	return protect(socket, &address);
}

SEC("cgroup/post_bind6")
int post_bind6(struct bpf_sock *socket)
{
	struct ip_address address = {
		{socket->src_ip6[0], socket->src_ip6[1], socket->src_ip6[2], socket->src_ip6[3]}};

	return protect(socket, &address);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
