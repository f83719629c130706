/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Two sockets that are connected, and bytes that tell where they are from.
 */
#ifndef SELFTESTS_IO_URING_PEER_H
#define SELFTESTS_IO_URING_PEER_H

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* Position dependent, never 0, different for each seed. */
static inline void fill(char *p, size_t len, unsigned int seed)
{
	size_t i;

	for (i = 0; i < len; i++) {
		unsigned int x = (i + 1) * 2654435761u + seed * 40503u;

		p[i] = 1 + (x >> 8 ^ x >> 20) % 255;
	}
}

static inline int socket_listen(int family, int type, struct sockaddr_storage *ss)
{
	struct sockaddr_in6 *in6 = (void *)ss;
	struct sockaddr_in *in = (void *)ss;
	socklen_t len = sizeof(*ss);
	int fd = socket(family, type, 0);

	if (fd < 0)
		return -1;
	memset(ss, 0, sizeof(*ss));
	ss->ss_family = family;
	if (family == AF_INET)
		in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	else
		in6->sin6_addr = in6addr_loopback;
	if (bind(fd, (void *)ss, family == AF_INET ? sizeof(*in) : sizeof(*in6)) ||
	    getsockname(fd, (void *)ss, &len) ||
	    (type == SOCK_STREAM && listen(fd, 1))) {
		close(fd);
		return -1;
	}
	return fd;
}

/*
 * fd[0] sends to fd[1]; @sndbuf and @rcvbuf of 0 leave the defaults. A small
 * @rcvbuf has no window for a segment as large as the loopback device takes:
 * with those, TCP would send a piece every 200 ms, whenever it probes the window.
 */
static inline int socket_pair(int family, int type, int fd[2], int sndbuf,
			      int rcvbuf)
{
	struct sockaddr_storage ss;
	int srv = socket_listen(family, type, &ss);
	int one = 1, mss = 1400;

	if (srv < 0)
		return -errno;
	fd[0] = socket(family, type, 0);
	if (fd[0] < 0)
		return -errno;
	if (sndbuf && setsockopt(fd[0], SOL_SOCKET, SO_SNDBUF, &sndbuf, sizeof(sndbuf)))
		return -errno;
	/* what is accepted inherits it */
	if (rcvbuf && setsockopt(srv, SOL_SOCKET, SO_RCVBUF, &rcvbuf, sizeof(rcvbuf)))
		return -errno;
	if (type == SOCK_STREAM && rcvbuf &&
	    setsockopt(fd[0], IPPROTO_TCP, TCP_MAXSEG, &mss, sizeof(mss)))
		return -errno;
	if (connect(fd[0], (void *)&ss, sizeof(ss)))
		return -errno;
	if (type != SOCK_STREAM) {
		fd[1] = srv;
		return 0;
	}
	setsockopt(fd[0], IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	fd[1] = accept(srv, NULL, NULL);
	close(srv);
	return fd[1] < 0 ? -errno : 0;
}

/*
 * Have no room in the queue of @fd, a datagram socket, for any sender. What is in
 * there has a byte each. A sender has a limit of its own, so that the queue is full
 * only if one that has nothing in there finds it so.
 */
static inline int socket_fill(int fd)
{
	struct sockaddr_un un;
	socklen_t len = sizeof(un);
	bool sent;

	if (getsockname(fd, (void *)&un, &len))
		return -errno;
	do {
		int from = socket(AF_UNIX, SOCK_DGRAM, 0);

		if (from < 0)
			return -errno;
		sent = false;
		while (sendto(from, "", 1, MSG_DONTWAIT, (void *)&un, len) == 1)
			sent = true;
		if (errno != EAGAIN)
			return -errno;
		close(from);
	} while (sent);
	return 0;
}

/* fd[0] sends to fd[1], which has no room until something is read. */
static inline int socket_full(int fd[2])
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	socklen_t len = sizeof(un.sun_family);

	fd[0] = socket(AF_UNIX, SOCK_DGRAM, 0);
	fd[1] = socket(AF_UNIX, SOCK_DGRAM, 0);
	if (fd[0] < 0 || fd[1] < 0 || bind(fd[1], (void *)&un, len))
		return -errno;
	len = sizeof(un);
	if (getsockname(fd[1], (void *)&un, &len) ||
	    connect(fd[0], (void *)&un, len))
		return -errno;
	return socket_fill(fd[1]);
}

/* Make room for one more. */
static inline int socket_drop_one(int fd)
{
	char c;

	return recv(fd, &c, 1, 0) == 1 ? 0 : -errno;
}

/* After all that is left of those, the next is to be @len bytes of @p. */
static inline int socket_expect(int fd, const void *p, ssize_t len)
{
	static char buf[65536];
	ssize_t ret;

	while ((ret = recv(fd, buf, sizeof(buf), MSG_DONTWAIT)) == 1)
		;
	if (ret < 0)
		return -errno;
	return ret == len && !memcmp(buf, p, len) ? 0 : -EBADMSG;
}

#endif
