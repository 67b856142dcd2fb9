// SPDX-License-Identifier: Apache-2.0
/*
 * The CNI plugin: hands the environment and stdin of a pod operation to the agent's Unix socket
 * and prints the answer (framing: ARCHITECTURE.md, "CNI socket"). The agent decides everything;
 * here is only what must work without one:
 *
 * - VERSION is answered from here;
 * - ADD, CHECK, GC: error 11 (try again later); STATUS: error 50 (plugin not available);
 * - DEL is written to a queue that the agent empties before it serves again, and succeeds.
 *
 * A runtime repeats a failed operation, so no wait is long. What stdin holds is never printed.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

enum cni_code {
	INVALID_ENVIRONMENT = 4,
	IO_FAILURE = 5,
	DECODE_FAILURE = 6,
	TRY_AGAIN = 11,
	UNAVAILABLE = 50,
};

enum {
	STDIN_MAX = 1 << 20,
	STDIN_DRAINED_MAX = 64 << 20, /* read on past the limit, so that the runtime can finish */
	ENVIRONMENT_MAX = 64 << 10,
	ANSWER_MAX = 1 << 20,
	QUEUE_ENTRIES_MAX = 256,
	CONTAINER_ID_MAX = 200, /* with interface and suffix it must fit a file name */
	CONNECT_WAIT_MS = 5000,
	CONNECT_WAIT_DEL_MS = 1000, /* a DEL need not wait: it has its queue */
	RETRY_MS = 20,
	LOCK_WAIT_MS = 10000,
	ANSWER_WAIT_S = 90, /* the agent gives up after 60 s; a kubelet after 120 s */
};

/* Every version of the specification; a configuration that names none means the first. */
static const char *const SUPPORTED = "\"0.1.0\",\"0.2.0\",\"0.3.0\",\"0.3.1\","
				     "\"0.4.0\",\"1.0.0\",\"1.1.0\"";

/* "CNI1", length, environment, length, stdin; lengths big-endian. */
static unsigned char frame[4 + 4 + ENVIRONMENT_MAX + 4 + STDIN_MAX + 1];
static size_t frame_length;
static const char *network = ""; /* stdin inside the frame, once read */
static size_t network_length;
static char answer[ANSWER_MAX];

static const char *setting(const char *name, const char *otherwise)
{
	const char *value = getenv(name);

	return value && *value ? value : otherwise;
}

static long now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void pause_ms(long duration)
{
	nanosleep(&(struct timespec){duration / 1000, duration % 1000 * 1000000}, NULL);
}

/* The version to answer in: the one that stdin asks for if we speak it, else the newest. */
static const char *version(void)
{
	static const char key[] = "\"cniVersion\"", newest[] = "1.1.0", unnamed[] = "0.1.0";
	static char found[16];
	const char *at = memmem(network, network_length, key, sizeof(key) - 1);
	const char *end = network + network_length;
	char quoted[sizeof(found) + 2];
	size_t length = 0;

	if (!at)
		return network_length && *network == '{' ? unnamed : newest;
	for (at += sizeof(key) - 1; at < end && (isspace((unsigned char)*at) || *at == ':'); at++)
		;
	if (at < end && *at == '"')
		at++;
	while (at < end && length < sizeof(found) - 1 &&
	       (isdigit((unsigned char)*at) || *at == '.'))
		found[length++] = *at++;
	found[length] = 0;
	if (at >= end || *at != '"')
		return newest;
	if (!length)
		return unnamed;
	snprintf(quoted, sizeof(quoted), "\"%s\"", found);
	return strstr(SUPPORTED, quoted) ? found : newest;
}

/* Prints a CNI error object and ends with exit code 1. */
__attribute__((noreturn, format(printf, 2, 3))) static void fail(enum cni_code code,
								 const char *format, ...)
{
	char text[512];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	for (char *at = text; *at; at++) /* paths may hold anything: keep the JSON whole */
		if (*at == '"' || *at == '\\' || !isprint((unsigned char)*at))
			*at = '?';
	printf("{\"cniVersion\":\"%s\",\"code\":%d,\"msg\":\"%s\"}\n", version(), (int)code, text);
	exit(fflush(stdout) == 0 ? 1 : 2);
}

static void put_length(unsigned char *at, size_t length)
{
	uint32_t order = htonl((uint32_t)length);

	memcpy(at, &order, sizeof(order));
}

/* Lays CNI_* of the environment and stdin out as one request. */
static void build_frame(void)
{
	size_t at = 8, total = 0;
	ssize_t got;

	memcpy(frame, "CNI1", 4);
	for (char **variable = environ; *variable; variable++) {
		size_t length = strlen(*variable) + 1;

		if (strncmp(*variable, "CNI_", 4) != 0)
			continue;
		if (at - 8 + length > ENVIRONMENT_MAX)
			fail(INVALID_ENVIRONMENT, "CNI_* variables are longer than %d bytes",
			     ENVIRONMENT_MAX);
		memcpy(frame + at, *variable, length);
		at += length;
	}
	put_length(frame + 4, at - 8);
	network = (char *)frame + at + 4;
	for (;;) {
		/* One byte more than allowed fits, which tells "too long" from "just right". */
		bool full = total > STDIN_MAX;
		void *into = full ? (void *)answer : (void *)(network + total);
		size_t room = full ? sizeof(answer) : STDIN_MAX + 1 - total;

		got = read(0, into, room);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			fail(IO_FAILURE, "cannot read stdin: %s", strerror(errno));
		total += (size_t)got;
		network_length = total > STDIN_MAX ? STDIN_MAX : total;
		if (got == 0 || total > STDIN_DRAINED_MAX)
			break;
	}
	if (total > STDIN_MAX)
		fail(DECODE_FAILURE, "network configuration on stdin is longer than %d bytes",
		     STDIN_MAX);
	put_length(frame + at, total);
	frame_length = at + 4 + total;
}

/* Connects to the agent, trying again for `wait_ms`; returns -1 with errno when it is away. */
static int connect_agent(long wait_ms)
{
	const char *path = setting("CILIATE_CNI_SOCK", "/var/run/cilium/cni.sock");
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct timeval patience = {.tv_sec = ANSWER_WAIT_S};
	long deadline = now_ms() + wait_ms;

	if (strlen(path) >= sizeof(address.sun_path))
		fail(INVALID_ENVIRONMENT, "CILIATE_CNI_SOCK is longer than a socket's path may be");
	memcpy(address.sun_path, path, strlen(path));
	for (;;) {
		int agent = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

		if (agent < 0)
			fail(IO_FAILURE, "cannot open a socket: %s", strerror(errno));
		setsockopt(agent, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
		setsockopt(agent, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
		if (connect(agent, (struct sockaddr *)&address, sizeof(address)) == 0)
			return agent;
		int reason = errno;

		close(agent);
		errno = reason;
		if (reason == EACCES || reason == EPERM || now_ms() >= deadline)
			return -1;
		pause_ms(RETRY_MS);
	}
}

static bool receive(int agent, void *into, size_t length)
{
	for (size_t done = 0; done < length;) {
		ssize_t got = recv(agent, (char *)into + done, length - done, 0);

		if (got == 0)
			errno = ECONNRESET;
		if (got == 0 || (got < 0 && errno != EINTR))
			return false;
		done += got < 0 ? 0 : (size_t)got;
	}
	return true;
}

/* Asks the agent; returns the exit code, its answer printed, or -1 with errno when it went away. */
static int ask(int agent)
{
	unsigned char head[5];
	uint32_t length;

	for (size_t done = 0; done < frame_length;) {
		ssize_t sent = send(agent, frame + done, frame_length - done, MSG_NOSIGNAL);

		if (sent < 0 && errno != EINTR)
			break; /* an agent that refuses early has answered already */
		done += sent < 0 ? 0 : (size_t)sent;
	}
	if (!receive(agent, head, sizeof(head)))
		return -1;
	memcpy(&length, head + 1, sizeof(length));
	length = ntohl(length);
	if (length > ANSWER_MAX) {
		errno = EMSGSIZE;
		return -1;
	}
	if (!receive(agent, answer, length))
		return -1;
	if (fwrite(answer, 1, length, stdout) != length || fflush(stdout) != 0)
		return 2;
	return head[0];
}

/* A queue entry's name holds both, so neither may lead elsewhere (CNI 1.1, "Parameters"). */
static void check_names(const char *container_id, const char *interface)
{
	const char *at = container_id;

	while (isalnum((unsigned char)*at) || (at > container_id && *at && strchr("_.-", *at)))
		at++;
	if (at == container_id || *at || at - container_id > CONTAINER_ID_MAX)
		fail(INVALID_ENVIRONMENT, "CNI_CONTAINERID is missing or not a container id");
	if (!*interface || strlen(interface) > 15 || strpbrk(interface, "/: \t\r\n\v\f") ||
	    strcmp(interface, ".") == 0 || strcmp(interface, "..") == 0)
		fail(INVALID_ENVIRONMENT, "CNI_IFNAME is missing or not an interface name");
}

/* Returns the queue's directory, open and locked shared against an agent that starts. */
static int lock_queue(const char *path, long wait_ms)
{
	long deadline = now_ms() + wait_ms;
	char *parent = strdup(path);
	char *slash = parent ? strrchr(parent, '/') : NULL;
	int directory, lock;

	if (slash && slash != parent) {
		*slash = 0;
		mkdir(parent, 0755); /* absent after a reboot, until an agent runs */
	}
	free(parent);
	mkdir(path, 0700);
	directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (directory < 0)
		fail(TRY_AGAIN, "the agent is away and its deletion queue %s cannot be opened: %s",
		     path, strerror(errno));
	/* Never closed: the lock goes with the process. */
	lock = openat(directory, "lockfile", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	while (lock < 0 || flock(lock, LOCK_SH | LOCK_NB) != 0) {
		if (lock < 0 || errno != EWOULDBLOCK || now_ms() >= deadline)
			fail(TRY_AGAIN,
			     "the agent is starting and its deletion queue %s is locked: %s", path,
			     strerror(errno));
		pause_ms(RETRY_MS);
	}
	return directory;
}

static int count_entries(int directory)
{
	int count = 0;
	DIR *entries = fdopendir(dup(directory));

	for (struct dirent *entry; entries && (entry = readdir(entries));)
		count += strstr(entry->d_name, ".delete") != NULL;
	if (entries)
		closedir(entries);
	return count;
}

/* Leaves the request for the next agent: whole or not at all, and once per attachment. */
static void queue_request(int directory, const char *path, const char *container_id,
			  const char *interface)
{
	char name[CONTAINER_ID_MAX + 32], draft[32];
	size_t done = 0;
	int file;

	snprintf(name, sizeof(name), "%s-%s.delete", container_id, interface);
	if (faccessat(directory, name, F_OK, 0) != 0 &&
	    count_entries(directory) >= QUEUE_ENTRIES_MAX)
		fail(TRY_AGAIN,
		     "deletion queue directory %s has too many entries (%d); start the agent", path,
		     QUEUE_ENTRIES_MAX);
	snprintf(draft, sizeof(draft), ".draft-%d", (int)getpid());
	file = openat(directory, draft, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	while (file >= 0 && done < frame_length) {
		ssize_t put = write(file, frame + done, frame_length - done);

		if (put < 0 && errno != EINTR)
			break;
		done += put < 0 ? 0 : (size_t)put;
	}
	if (done < frame_length || close(file) != 0 ||
	    renameat(directory, draft, directory, name) != 0) {
		int reason = errno;

		unlinkat(directory, draft, 0);
		fail(TRY_AGAIN, "cannot queue the deletion in %s: %s", path, strerror(reason));
	}
}

/*
 * The agent is away: a last try under the lock, then the queue. An agent that starts holds the
 * lock alone from before it reads the queue until it serves, so it either serves or will read.
 */
static int delete_later(void)
{
	const char *path = setting("CILIATE_CNI_QUEUE", "/var/run/cilium/deleteQueue");
	const char *container_id = setting("CNI_CONTAINERID", "");
	const char *interface = setting("CNI_IFNAME", "");
	int directory, agent;

	check_names(container_id, interface);
	directory = lock_queue(path, LOCK_WAIT_MS);
	agent = connect_agent(0);
	if (agent >= 0) {
		int code = ask(agent);

		if (code >= 0)
			return code;
	}
	queue_request(directory, path, container_id, interface);
	return 0;
}

int main(void)
{
	const char *command = setting("CNI_COMMAND", "");
	bool removes = strcmp(command, "DEL") == 0, status = strcmp(command, "STATUS") == 0;
	enum cni_code away = status ? UNAVAILABLE : TRY_AGAIN;
	const char *wait = setting("CILIATE_CNI_WAIT_MS", "");
	long wait_ms = *wait ? atol(wait) : removes ? CONNECT_WAIT_DEL_MS : CONNECT_WAIT_MS;
	int agent, code;

	build_frame();
	if (!*command)
		fail(INVALID_ENVIRONMENT, "CNI_COMMAND is missing: this is a CNI plugin");
	if (strcmp(command, "VERSION") == 0) {
		printf("{\"cniVersion\":\"%s\",\"supportedVersions\":[%s]}\n", version(),
		       SUPPORTED);
		return fflush(stdout) == 0 ? 0 : 2;
	}
	agent = connect_agent(wait_ms);
	code = agent < 0 ? -1 : ask(agent);
	if (code >= 0)
		return code;
	if (removes && errno != EAGAIN)
		return delete_later();
	if (agent >= 0)
		fail(away, "the Ciliate agent went away during %.16s (%s); try again", command,
		     strerror(errno));
	fail(away, "the Ciliate agent is not reachable at %s (%s); is it running? try again",
	     setting("CILIATE_CNI_SOCK", "/var/run/cilium/cni.sock"), strerror(errno));
}
