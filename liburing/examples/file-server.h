/* SPDX-License-Identifier: MIT */
/*
 * Of the file server what has nothing to do with io_uring: which answer there
 * is to a request.
 */
#ifndef LIBURING_FILE_SERVER_H
#define LIBURING_FILE_SERVER_H

#include <err.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

/* a request with all its header lines */
#define REQUEST_SIZE	8192
/* the header of an answer, or all of one that has no file */
#define HEADER_SIZE	512
#define MAX_FILE_SIZE	((size_t)1 << 30)
/* of registered buffers that one ring may have */
#define MAX_BUFFERS	16384

/* What is sent for a path, or for a request that can't be answered. */
struct answer {
	/* for a file: its path, and where it is */
	char *path;
	unsigned int buf_index;
	size_t size;
	/* the lines of the header that are the same each time */
	char *header;
	/* goes behind the header */
	const char *text;
};

/* All that can be asked for, in order of the paths. */
static struct answer *files;
static unsigned int nr_files;

/* The memory of it, which is to be registered. */
static struct iovec buffers[MAX_BUFFERS];
static unsigned int nr_buffers;

/* the lines of a header that change, [whether the connection is kept] */
static char changing[2][128];

enum { BAD_REQUEST, NOT_FOUND, NOT_ALLOWED, LONG_URI, LONG_HEADER, BAD_VERSION, OK, INCOMPLETE };

static struct answer errors[] = {
	[BAD_REQUEST]	= { .text = "400 Bad Request\n" },
	[NOT_FOUND]	= { .text = "404 Not Found\n" },
	[NOT_ALLOWED]	= { .text = "405 Method Not Allowed\n" },
	[LONG_URI]	= { .text = "414 URI Too Long\n" },
	[LONG_HEADER]	= { .text = "431 Request Header Fields Too Large\n" },
	[BAD_VERSION]	= { .text = "505 HTTP Version Not Supported\n" },
};

#define NR_ERRORS	(sizeof(errors) / sizeof(errors[0]))

/* What has been received: the line that it is at, and up to where that is known. */
struct input {
	size_t len, line, known;
	char buf[REQUEST_SIZE];
};

struct request {
	bool head, http10, close, keep_alive;
	unsigned int hosts;
	char *path;
};

static void drop_input(struct input *in, size_t len)
{
	in->len -= len;
	memmove(in->buf, in->buf + len, in->len);
	in->line = in->known = 0;
}

/* The characters of methods and field names. */
#define TOKEN	"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

static bool is_digit(char ch)
{
	return ch >= '0' && ch <= '9';
}

/* In place: what comes out is not longer. */
static bool decode_path(char *path)
{
	char *to = path;

	for (; *path && *path != '?'; path++) {
		char hex[3] = "";

		if (*path != '%') {
			*to++ = *path;
			continue;
		}
		memcpy(hex, path + 1, strnlen(path + 1, 2));
		if (strspn(hex, "0123456789abcdefABCDEF") != 2)
			return false;
		*to = strtoul(hex, NULL, 16);
		if (!*to++)
			return false;
		path += 2;
	}
	*to = '\0';
	return true;
}

static int parse_request_line(char *line, struct request *r)
{
	char *path = line + strspn(line, TOKEN), *version;

	if (path == line || *path != ' ')
		return BAD_REQUEST;
	*path++ = '\0';
	version = strchr(path, ' ');
	if (!version || version == path)
		return BAD_REQUEST;
	*version++ = '\0';
	if (strlen(version) != 8 || strncmp(version, "HTTP/", 5) || !is_digit(version[5]) ||
	    version[6] != '.' || !is_digit(version[7]))
		return BAD_REQUEST;
	if (version[5] != '1')
		return BAD_VERSION;
	r->http10 = version[7] == '0';
	r->head = !strcmp(line, "HEAD");
	if (!r->head && strcmp(line, "GET"))
		return NOT_ALLOWED;
	/* as to a proxy, which servers have to take, too */
	if (!strncasecmp(path, "http://", 7)) {
		path += 7;
		path += strcspn(path, "/?");
		if (*path != '/') {
			path = version - 2;
			*path = '/';
		}
	}
	r->path = path;
	return *path == '/' && decode_path(path) ? OK : BAD_REQUEST;
}

static int parse_field(char *line, struct request *r)
{
	char *value = line + strspn(line, TOKEN), *end = line + strlen(line), *token;

	/* no space ahead of the colon, and no line that goes on with the last one */
	if (value == line || *value != ':')
		return BAD_REQUEST;
	*value++ = '\0';
	value += strspn(value, " \t");
	while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
		*--end = '\0';
	/*
	 * Nothing has a body here. Whoever announces one is not listened to
	 * further: it could be taken for the next request.
	 */
	if (!strcasecmp(line, "Transfer-Encoding"))
		return BAD_REQUEST;
	if (!strcasecmp(line, "Content-Length"))
		return *value && !value[strspn(value, "0")] ? OK : BAD_REQUEST;
	if (!strcasecmp(line, "Host"))
		r->hosts++;
	if (strcasecmp(line, "Connection"))
		return OK;
	while ((token = strsep(&value, ","))) {
		token += strspn(token, " \t");
		token[strcspn(token, " \t")] = '\0';
		r->close |= !strcasecmp(token, "close");
		r->keep_alive |= !strcasecmp(token, "keep-alive");
	}
	return OK;
}

/*
 * Look for the end of a request, from where we have been, and parse it. Lines
 * end in CR LF and nothing else, so that nobody between a client and us can
 * see other lines than we do.
 */
static int parse_request(struct input *in, struct request *r, size_t *len)
{
	char *lf, *line;
	int ret;

	while ((lf = memchr(in->buf + in->known, '\n', in->len - in->known))) {
		size_t start = in->line, at = lf - in->buf;

		if (at == start || lf[-1] != '\r')
			return BAD_REQUEST;
		in->line = in->known = at + 1;
		if (at == start + 1)
			break;
	}
	if (!lf) {
		in->known = in->len;
		if (in->len < REQUEST_SIZE)
			return INCOMPLETE;
		return in->line ? LONG_HEADER : LONG_URI;
	}
	*len = in->line;

	/* all lines but the last one, which is empty */
	for (line = in->buf; (lf = memchr(line, '\n', in->buf + *len - line)) != line + 1; line = lf + 1) {
		char *p;

		for (p = line; p < lf - 1; p++) {
			if (((unsigned char)*p < ' ' && *p != '\t') || *p == 0x7f)
				return BAD_REQUEST;
		}
		lf[-1] = '\0';
		ret = line == in->buf ? parse_request_line(line, r) : parse_field(line, r);
		if (ret != OK)
			return ret;
	}
	return r->hosts == 1 || (r->http10 && !r->hosts) ? OK : BAD_REQUEST;
}

static int compare_paths(const void *a, const void *b)
{
	return strcmp(((const struct answer *)a)->path, ((const struct answer *)b)->path);
}

/* Nothing but what was loaded is found, whatever the path. */
static const struct answer *find_file(char *path)
{
	struct answer key = { .path = path };

	return bsearch(&key, files, nr_files, sizeof(key), compare_paths);
}

static void set_date(void)
{
	time_t now = time(NULL);
	char date[64];
	struct tm tm;

	strftime(date, sizeof(date), "Date: %a, %d %b %Y %H:%M:%S GMT", gmtime_r(&now, &tm));
	snprintf(changing[false], sizeof(changing[0]), "%s\r\nConnection: close\r\n\r\n", date);
	snprintf(changing[true], sizeof(changing[0]), "%s\r\nConnection: keep-alive\r\n\r\n", date);
}

static const char *type_of(const char *path)
{
	static const char *const types[][2] = {
		{ ".css", "text/css" },
		{ ".html", "text/html; charset=utf-8" },
		{ ".jpg", "image/jpeg" },
		{ ".js", "text/javascript" },
		{ ".json", "application/json" },
		{ ".png", "image/png" },
		{ ".svg", "image/svg+xml" },
		{ ".txt", "text/plain; charset=utf-8" },
	};
	const char *dot = strrchr(path, '.');
	unsigned int i;

	for (i = 0; dot && i < sizeof(types) / sizeof(types[0]); i++) {
		if (!strcmp(dot, types[i][0]))
			return types[i][1];
	}
	return "application/octet-stream";
}

static void make_errors(void)
{
	unsigned int i;

	for (i = 0; i < NR_ERRORS; i++) {
		const char *text = errors[i].text;

		if (asprintf(&errors[i].header, "HTTP/1.1 %.*s\r\n%sContent-Type: text/plain\r\n"
			     "Content-Length: %zu\r\n", (int)strlen(text) - 1, text,
			     i == NOT_ALLOWED ? "Allow: GET, HEAD\r\n" : "", strlen(text)) < 0)
			err(1, "errors");
	}
}

static void *allocate(size_t size)
{
	void *mem = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (mem == MAP_FAILED)
		err(1, "%zu bytes of memory", size);
	/* fewer and larger segments, where the kernel has such pages */
	madvise(mem, size, MADV_HUGEPAGE);
	return mem;
}

static unsigned int add_buffer(void *mem, size_t size)
{
	if (nr_buffers == MAX_BUFFERS)
		errx(1, "more than %d files; no more can be registered", MAX_BUFFERS - 1);
	buffers[nr_buffers] = (struct iovec) { mem, size };
	return nr_buffers++;
}

static void add_file(const char *path, int len, unsigned int buf_index, size_t size)
{
	struct answer *a;

	files = realloc(files, (nr_files + 1) * sizeof(*a));
	if (!files)
		err(1, "files");
	a = &files[nr_files++];
	*a = (struct answer) { .buf_index = buf_index, .size = size };
	if (asprintf(&a->path, "%.*s", len, path) < 0 ||
	    asprintf(&a->header, "HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: %zu\r\n",
		     type_of(path), size) < 0)
		err(1, "%s", path);
}

/* All that is a file; symbolic links are not followed. */
static int load(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	unsigned int buf_index = 0;
	size_t size = 0;
	char *mem;
	int fd;

	if (type == FTW_DNR || type == FTW_NS)
		errx(1, "%s can't be read; change its mode, or run as another user", path);
	if (type != FTW_F || !S_ISREG(st->st_mode))
		return 0;
	fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		err(1, "%s", path);
	if ((size_t)st->st_size > MAX_FILE_SIZE)
		errx(1, "%s has more than %zu bytes; serve it by something else", path, MAX_FILE_SIZE);
	if (st->st_size) {
		mem = allocate(st->st_size);
		while (size < (size_t)st->st_size) {
			ssize_t ret = read(fd, mem + size, st->st_size - size);

			if (ret < 0)
				err(1, "%s", path);
			if (!ret)
				errx(1, "%s became shorter; start again", path);
			size += ret;
		}
		buf_index = add_buffer(mem, size);
	}
	close(fd);

	/* without the dot: we are in DIRECTORY */
	path++;
	add_file(path, strlen(path), buf_index, size);
	if (!strcmp(path + ftw->base - 2, "/index.html"))
		add_file(path, ftw->base - 1, buf_index, size);
	return 0;
}

static void load_files(const char *directory)
{
	if (chdir(directory) || nftw(".", load, 64, FTW_PHYS))
		err(1, "%s", directory);
	if (!nr_files)
		errx(1, "%s has no files; name a directory that has", directory);
	qsort(files, nr_files, sizeof(*files), compare_paths);
}

#endif
