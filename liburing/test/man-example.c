/* SPDX-License-Identifier: MIT */
/*
 * Description: run the program that io_uring_prep_send_zc_select(3) has as its
 *		EXAMPLE, the very text, and compare what it sends.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "liburing.h"
#include "helpers.h"

#define main example
#include "io_uring_prep_send_zc_select.3.example.h"
#undef main

/* full bundles, one that is not full, and a piece that is not */
#define TOTAL	(3 * NR * SIZE + 5 * SIZE + 1234)

static char want[TOTAL], got[TOTAL + 1];

static int run_example(int input, int port)
{
	char name[] = "example", address[] = "127.0.0.1", port_string[16];
	char *args[] = { name, address, port_string, NULL };

	snprintf(port_string, sizeof(port_string), "%d", port);
	if (dup2(input, STDIN_FILENO) < 0)
		return 1;
	return example(3, args);
}

int main(int argc, char *argv[])
{
	struct sockaddr_in addr = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	struct io_uring_params p = { };
	struct io_uring ring;
	int ret, i, listener, input, status, fd;
	size_t len = 0;
	pid_t pid;

	if (argc > 1)
		return T_EXIT_SKIP;

	ret = t_create_ring_params(4, &ring, &p);
	if (ret == T_SETUP_SKIP)
		return T_EXIT_SKIP;
	if (ret != T_SETUP_OK)
		return T_EXIT_FAIL;
	io_uring_queue_exit(&ring);
	if (!(p.features & IORING_FEAT_SEND_ZC_SELECT)) {
		printf("no IORING_FEAT_SEND_ZC_SELECT, skipping\n");
		return T_EXIT_SKIP;
	}

	for (i = 0; i < TOTAL; i++)
		want[i] = (i * 2654435761U) >> 15;
	input = memfd_create("man-example", 0);
	if (input < 0 || write(input, want, TOTAL) != TOTAL ||
	    lseek(input, 0, SEEK_SET)) {
		perror("memfd");
		return T_EXIT_FAIL;
	}

	listener = socket(AF_INET, SOCK_STREAM, 0);
	if (listener < 0 || t_bind_ephemeral_port(listener, &addr) ||
	    listen(listener, 1)) {
		perror("listen");
		return T_EXIT_FAIL;
	}

	pid = fork();
	if (pid < 0) {
		perror("fork");
		return T_EXIT_FAIL;
	}
	if (!pid)
		_exit(run_example(input, ntohs(addr.sin_port)));

	/* Should it never connect, it has said why: don't wait for longer. */
	alarm(60);
	fd = accept(listener, NULL, NULL);
	if (fd < 0) {
		perror("accept");
		return T_EXIT_FAIL;
	}
	do {
		ret = recv(fd, got + len, sizeof(got) - len, 0);
		if (ret > 0)
			len += ret;
	} while (ret > 0);
	if (ret < 0) {
		perror("recv");
		return T_EXIT_FAIL;
	}
	alarm(0);

	if (waitpid(pid, &status, 0) != pid || status) {
		fprintf(stderr, "the example has failed: %x\n", status);
		return T_EXIT_FAIL;
	}
	if (len != TOTAL || memcmp(got, want, TOTAL)) {
		fprintf(stderr, "what arrived is not what was read: %zu of %d bytes\n",
			len, TOTAL);
		return T_EXIT_FAIL;
	}
	return T_EXIT_PASS;
}
