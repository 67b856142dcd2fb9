/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One byte there, one byte back, over TCP: what netperf calls TCP_RR and TCP_CRR, with several
 * connections in one thread, which netperf does not do. Both ends are this program:
 *
 *   exchange serve ADDRESS PORT [PORTS]
 *       answers until it is killed, at PORTS ports from PORT on; prints "listening" when it does
 *   exchange request ADDRESS PORT CONNECTIONS MILLISECONDS
 *       opens the connections once, then one request at a time in each
 *   exchange connect ADDRESS PORT CONNECTIONS MILLISECONDS
 *       as many at a time, each transaction in a connection of its own
 *
 * A client prints "TRANSACTIONS NANOSECONDS". It fails as a whole on the first failed connection: a
 * rate with errors in it is no measurement. In `connect` the server closes first, as a web server
 * does, so that TIME_WAIT stays with it and the client cannot run out of ports.
 *
 * The congestion control is set on every socket: `cubic` can be chosen per socket only in a
 * namespace, and the default of a machine may be one that needs the fq queueing discipline.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
	CONNECTIONS_MAX = 1024,
	EVENTS_MAX = 256,
	BACKLOG = 1024,
	PORTS_MAX = 64,
	SILENCE_MAX_MS = 3000, /* three SYNs lost in a row: the path is broken, not slow */
	KEEP = 'k', /* the request of `request`: the connection stays */
	CLOSE = 'c', /* the request of `connect`: the server closes after its answer */
};

/* Beside the descriptor of what is watched: it accepts. */
static const uint64_t LISTENER = 1ull << 32;

static const char congestion_control[] = "cubic";

/* A slot of the client: one connection after the other, or one for all of the run. */
struct slot {
	int fd;
	bool asked; /* the request of this connection's current transaction is out */
	bool answered;
};

struct client {
	struct addrinfo *server;
	int epoll;
	bool connects; /* every transaction has its own connection */
	uint64_t transactions;
	struct slot slots[CONNECTIONS_MAX];
};

__attribute__((noreturn, format(printf, 1, 2))) static void fail(const char *format, ...)
{
	int error = errno;
	va_list arguments;

	va_start(arguments, format);
	fputs("exchange: ", stderr);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fprintf(stderr, ": %s\n", strerror(error));
	exit(1);
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static struct addrinfo *resolve(const char *address, const char *port)
{
	struct addrinfo hints = {
		.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
		.ai_socktype = SOCK_STREAM,
	};
	struct addrinfo *found = NULL;
	int error = getaddrinfo(address, port, &hints, &found);

	if (error) {
		fprintf(stderr, "exchange: %s port %s: %s\n", address, port, gai_strerror(error));
		exit(1);
	}
	return found;
}

static int open_socket(const struct addrinfo *peer)
{
	int one = 1;
	int fd = socket(peer->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		fail("socket");
	if (setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, congestion_control,
		       sizeof(congestion_control) - 1))
		fail("congestion control %s", congestion_control);
	if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)))
		fail("TCP_NODELAY");
	return fd;
}

/* Edge-triggered and for both directions: one epoll_ctl in the life of a connection. */
static void watch(int epoll, int fd, uint64_t data)
{
	struct epoll_event event = {
		.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
		.data.u64 = data,
	};

	if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event))
		fail("epoll_ctl");
}

static void answer(int fd)
{
	char request;

	for (;;) {
		ssize_t got = recv(fd, &request, 1, 0);

		if (got == 0 || (got < 0 && errno != EAGAIN)) {
			close(fd);
			return;
		}
		if (got < 0)
			return;
		/* One byte always fits into the buffer of a peer that waits for it. */
		if (send(fd, &request, 1, MSG_NOSIGNAL) != 1 || request == CLOSE) {
			close(fd);
			return;
		}
	}
}

static void accept_all(int epoll, int listener)
{
	for (;;) {
		int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0)
			watch(epoll, fd, (uint64_t)fd);
		else if (errno == EAGAIN)
			return;
		else if (errno != ECONNABORTED && errno != EINTR)
			fail("accept");
	}
}

static void listen_at(int epoll, const struct addrinfo *address)
{
	int one = 1;
	int listener = open_socket(address); /* What it accepts inherits the options. */

	if (setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)))
		fail("SO_REUSEADDR");
	if (bind(listener, address->ai_addr, address->ai_addrlen))
		fail("bind");
	if (listen(listener, BACKLOG))
		fail("listen");
	watch(epoll, listener, LISTENER | (uint64_t)listener);
}

/* Both families have the port at the same place. */
static void next_port(struct addrinfo *address)
{
	struct sockaddr_in *at = (struct sockaddr_in *)address->ai_addr;

	at->sin_port = htons((uint16_t)(ntohs(at->sin_port) + 1));
}

static void serve(struct addrinfo *address, uint32_t ports)
{
	struct epoll_event events[EVENTS_MAX];
	int epoll = epoll_create1(EPOLL_CLOEXEC);

	if (epoll < 0)
		fail("epoll_create1");
	for (uint32_t i = 0; i < ports; i++) {
		listen_at(epoll, address);
		next_port(address);
	}
	puts("listening");
	fflush(stdout);
	for (;;) {
		int count = epoll_wait(epoll, events, EVENTS_MAX, -1);

		for (int i = 0; i < count; i++) {
			int fd = (int)events[i].data.u64;

			if (events[i].data.u64 & LISTENER)
				accept_all(epoll, fd);
			else if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR))
				answer(fd);
		}
	}
}

static void start_connection(struct client *client, uint32_t index)
{
	struct slot *slot = &client->slots[index];

	*slot = (struct slot){.fd = open_socket(client->server)};
	if (connect(slot->fd, client->server->ai_addr, client->server->ai_addrlen) &&
	    errno != EINPROGRESS)
		fail("connect");
	watch(client->epoll, slot->fd, index);
}

static void ask(struct client *client, struct slot *slot)
{
	char request = client->connects ? CLOSE : KEEP;

	if (send(slot->fd, &request, 1, MSG_NOSIGNAL) != 1)
		fail("send");
	slot->asked = true;
}

/* Reads what came; a transaction that is complete is followed by the slot's next one. */
static void receive(struct client *client, uint32_t index)
{
	struct slot *slot = &client->slots[index];
	char response;

	for (;;) {
		ssize_t got = recv(slot->fd, &response, 1, 0);

		if (got < 0 && errno == EAGAIN)
			return;
		if (got < 0)
			fail("receive");
		if (got == 1 && client->connects) {
			slot->answered = true;
		} else if (got == 1) {
			client->transactions++;
			ask(client, slot);
		} else if (client->connects && slot->answered) {
			client->transactions++;
			close(slot->fd);
			start_connection(client, index);
			return;
		} else {
			errno = ECONNRESET;
			fail("the server closed");
		}
	}
}

static void on_event(struct client *client, const struct epoll_event *event)
{
	uint32_t index = (uint32_t)event->data.u64;
	struct slot *slot = &client->slots[index];

	if (event->events & EPOLLERR) {
		socklen_t size = sizeof(errno);

		getsockopt(slot->fd, SOL_SOCKET, SO_ERROR, &errno, &size);
		fail("connection");
	}
	if (!slot->asked && (event->events & EPOLLOUT))
		ask(client, slot);
	if (slot->asked && (event->events & EPOLLIN))
		receive(client, index);
}

static void run_client(struct client *client, uint32_t connections, uint32_t duration_ms)
{
	struct epoll_event events[EVENTS_MAX];
	uint64_t start_ns, end_ns, deadline_ns;

	client->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (client->epoll < 0)
		fail("epoll_create1");
	start_ns = now_ns();
	deadline_ns = start_ns + (uint64_t)duration_ms * 1000000u;
	for (uint32_t i = 0; i < connections; i++)
		start_connection(client, i);
	do {
		int count = epoll_wait(client->epoll, events, EVENTS_MAX, SILENCE_MAX_MS);

		if (count == 0) {
			errno = ETIMEDOUT;
			fail("no packet for %d ms", SILENCE_MAX_MS);
		}
		for (int i = 0; i < count; i++)
			on_event(client, &events[i]);
		end_ns = now_ns();
	} while (end_ns < deadline_ns);
	printf("%llu %llu\n", (unsigned long long)client->transactions,
	       (unsigned long long)(end_ns - start_ns));
}

/* A number of the command line from 1 to `most`. */
static uint32_t parse_count(const char *text, uint32_t most)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	if (*end || value < 1 || value > most) {
		fprintf(stderr, "exchange: %s is not a number from 1 to %u\n", text, most);
		exit(2);
	}
	return (uint32_t)value;
}

int main(int argc, char **argv)
{
	static struct client client;

	if ((argc == 4 || argc == 5) && !strcmp(argv[1], "serve")) {
		serve(resolve(argv[2], argv[3]), argc == 5 ? parse_count(argv[4], PORTS_MAX) : 1);
	} else if (argc == 6 && (!strcmp(argv[1], "request") || !strcmp(argv[1], "connect"))) {
		client.server = resolve(argv[2], argv[3]);
		client.connects = !strcmp(argv[1], "connect");
		run_client(&client, parse_count(argv[4], CONNECTIONS_MAX),
			   parse_count(argv[5], 600000));
		return 0;
	}
	fputs("usage: exchange serve ADDRESS PORT [PORTS]\n"
	      "       exchange request|connect ADDRESS PORT CONNECTIONS MILLISECONDS\n",
	      stderr);
	return 2;
}
