/* SPDX-License-Identifier: Apache-2.0 */
/* The queue of events and its two ways out; the rules are in shim/publisher.h. */
#include "shim/publisher.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/process.h"
#include "base/str.h"
#include "rpc/socket.h"
#include "rpc/ttrpc.h"
#include "rpc/wire.h"

#define EVENTS_MAX       1024
#define EVENTS_BYTES_MAX (256u << 10)
#define TRIES_MAX        5
#define SECOND_NS        1000000000LL
#define ANSWER_NS        (5 * SECOND_NS)
#define FINISH_NS        (2 * SECOND_NS)
#define RETRY_FIRST_NS   (SECOND_NS / 10)
#define RETRY_LAST_NS    (10 * SECOND_NS)
#define SERVICE          "containerd.services.events.ttrpc.v1.Events"

struct event {
	struct event *next;
	const char *topic, *type;
	int64_t at_ns;
	int tries;
	size_t n;
	uint8_t data[];
};

struct cor_publisher {
	struct cor_publisher_config c;
	struct event *head, **tail;
	size_t count, bytes;
	bool under_way; /* the head is */
	bool finishing;
	int64_t retry_ns;
	struct cor_source timer;        /* under_way: the answer is late; else: try again */
	struct cor_source finish_timer; /* finishing takes too long */
	/* ttrpc */
	int fd;
	struct cor_source source;
	struct cor_buf out;
	size_t sent;
	struct cor_ttrpc_parser in;
	uint32_t stream;
	/* publish binary */
	pid_t child;
};

static void pump(struct cor_publisher *p);

static void stop_timer(struct cor_source *t)
{
	if (t->loop)
		cor_loop_remove(t);
}

static void disconnect(struct cor_publisher *p)
{
	if (p->source.loop)
		cor_loop_remove(&p->source);
	p->fd = cor_close(p->fd);
	cor_buf_done(&p->out);
	p->sent = 0;
	cor_ttrpc_parser_done(&p->in);
	p->in = (struct cor_ttrpc_parser){0};
	p->stream = 0;
}

/* Takes one out: the head, or the one behind it. */
static void drop(struct cor_publisher *p, struct event **link)
{
	struct event *e = *link;
	if (!e)
		return;
	*link = e->next;
	if (p->tail == &e->next)
		p->tail = link;
	p->count--;
	p->bytes -= e->n;
	free(e);
}

static void on_retry(struct cor_source *t)
{
	struct cor_publisher *p = container_of(t, struct cor_publisher, timer);
	stop_timer(t);
	if (p->under_way) { /* no answer */
		p->under_way = false;
		p->child = 0;
		disconnect(p);
	}
	pump(p);
}

/* Later again, less and less often. */
static void retry_later(struct cor_publisher *p)
{
	p->under_way = false;
	stop_timer(&p->timer);
	(void)cor_loop_timer(p->c.loop, &p->timer, p->retry_ns, 0, on_retry);
	p->retry_ns = p->retry_ns * 2 < RETRY_LAST_NS ? p->retry_ns * 2 : RETRY_LAST_NS;
}

/* The head was answered. */
static void answered(struct cor_publisher *p, int r)
{
	stop_timer(&p->timer);
	p->under_way = false;
	p->retry_ns = RETRY_FIRST_NS;
	if (r < 0 && p->head && ++p->head->tries < TRIES_MAX) {
		retry_later(p);
		return;
	}
	drop(p, &p->head);
	pump(p);
}

static void broken(struct cor_publisher *p)
{
	disconnect(p);
	retry_later(p);
}

/* Writes what is left of the request. */
static void flush(struct cor_publisher *p)
{
	while (p->sent < p->out.len) {
		ssize_t n = cor_socket_send(p->fd, p->out.data + p->sent, p->out.len - p->sent, NULL, 0);
		if (n == -EAGAIN) {
			(void)cor_loop_modify(&p->source, EPOLLIN | EPOLLOUT);
			return;
		}
		if (n < 0) {
			broken(p);
			return;
		}
		p->sent += (size_t)n;
	}
	cor_buf_done(&p->out);
	p->sent = 0;
	(void)cor_loop_modify(&p->source, EPOLLIN);
}

/* One frame, or nothing yet. < 0: the connection is of no more use. */
static int take_frame(struct cor_publisher *p)
{
	struct cor_ttrpc_frame f;
	const uint8_t *payload;
	size_t n;
	int r = cor_ttrpc_parser_next(&p->in, &f, NULL);
	if (r <= 0)
		return r;
	if (f.type != COR_TTRPC_RESPONSE || f.stream != p->stream || !p->under_way)
		return 1;
	answered(p, cor_ttrpc_response_decode(f.payload, f.length, &payload, &n, NULL));
	return 1;
}

static void on_socket(struct cor_source *s, uint32_t events)
{
	struct cor_publisher *p = container_of(s, struct cor_publisher, source);
	char buf[1024];
	if (events & EPOLLOUT)
		flush(p);
	if (p->fd < 0 || !(events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
		return;
	ssize_t n = recv(p->fd, buf, sizeof(buf), MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	int r = n > 0 ? cor_ttrpc_parser_feed(&p->in, buf, (size_t)n, NULL) : -ECONNRESET;
	while (r == 0 && p->fd >= 0) {
		r = take_frame(p);
		if (r == 0)
			return;
		r = r > 0 ? 0 : r;
	}
	if (p->fd < 0)
		return;
	/* An idle connection that ends is made again for the next event. */
	if (p->under_way)
		broken(p);
	else
		disconnect(p);
}

static int connect_ttrpc(struct cor_publisher *p)
{
	const char *path = cor_after(p->c.ttrpc_address, "unix://");
	path = path ? path : p->c.ttrpc_address;
	_cleanup_free_ char *dir = strdup(path);
	char *slash = dir ? strrchr(dir, '/') : NULL;
	if (!slash)
		return -EINVAL;
	slash[slash == dir] = '\0';
	_cleanup_close_ int d = openat(AT_FDCWD, dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (d < 0)
		return -errno;
	/* On a unix socket this waits for nothing but a full queue, and then containerd is alive and takes from it. */
	_cleanup_close_ int fd = cor_unix_connect(d, cor_path_base(path), NULL);
	if (fd < 0)
		return fd;
	int r = cor_set_nonblock(fd, true);
	if (r == 0)
		r = cor_loop_add(p->c.loop, &p->source, fd, EPOLLIN, on_socket);
	if (r < 0)
		return r;
	p->fd = TAKE_FD(fd);
	p->stream = UINT32_MAX; /* the first one is 1 */
	return 0;
}

static void put_any(struct cor_buf *b, const char *type, const void *data, size_t n)
{
	cor_wire_put_string(b, 1, type);
	cor_wire_put_bytes(b, 2, data, n);
}

void cor_publisher_encode(struct cor_buf *out, const char *ns, const char *topic, const char *type,
			  int64_t at_ns, const void *data, size_t n)
{
	_cleanup_buf_ struct cor_buf any = {0}, envelope = {0};
	put_any(&any, type, data, n);
	cor_wire_put_time(&envelope, 1, at_ns);
	cor_wire_put_string(&envelope, 2, ns);
	cor_wire_put_string(&envelope, 3, topic);
	cor_wire_put_bytes(&envelope, 4, any.data, any.len);
	cor_wire_put_bytes(out, 1, envelope.data, envelope.len);
	out->failed = out->failed || any.failed || envelope.failed;
}

static int send_ttrpc(struct cor_publisher *p, const struct event *e)
{
	_cleanup_buf_ struct cor_buf request = {0};
	cor_publisher_encode(&request, p->c.ns, e->topic, e->type, e->at_ns, e->data, e->n);
	if (request.failed)
		return -ENOMEM;
	if (p->fd < 0) {
		int r = connect_ttrpc(p);
		if (r < 0)
			return r;
	}
	p->stream += 2;
	int r = cor_ttrpc_request_encode(&p->out, p->stream, SERVICE, "Forward", request.data, request.len,
					 ANSWER_NS, NULL);
	if (r < 0)
		return r;
	p->under_way = true;
	stop_timer(&p->timer);
	(void)cor_loop_timer(p->c.loop, &p->timer, ANSWER_NS, 0, on_retry);
	flush(p);
	return 0;
}

/* The Any on stdin, the rest on the command line. */
static int run_binary(struct cor_publisher *p, const struct event *e)
{
	_cleanup_buf_ struct cor_buf any = {0};
	put_any(&any, e->type, e->data, e->n);
	_cleanup_close_ int in = memfd_create("event", MFD_CLOEXEC);
	if (any.failed || in < 0)
		return -ENOMEM;
	if (cor_write_full(in, any.data, any.len) < 0 || lseek(in, 0, SEEK_SET) < 0)
		return -EIO;
	const char *const argv[] = {p->c.publish_binary, "--address", p->c.address,
				    "publish",           "--topic",   e->topic,
				    "--namespace",       p->c.ns,     NULL};
	struct cor_spawn spawn = {.path = p->c.publish_binary,
				  .argv = (char *const *)(uintptr_t)argv,
				  .cwd_fd = -1,
				  .fds = {in, -1, -1},
				  .nfds = 3,
				  .default_signals = true};
	int r = cor_spawn(&spawn, &p->child, NULL, NULL);
	if (r < 0)
		return r;
	p->under_way = true;
	stop_timer(&p->timer);
	(void)cor_loop_timer(p->c.loop, &p->timer, ANSWER_NS, 0, on_retry);
	return 0;
}

bool cor_publisher_has_child(const struct cor_publisher *p, pid_t pid)
{
	return p && p->child > 0 && p->child == pid;
}

bool cor_publisher_child(struct cor_publisher *p, pid_t pid, int status)
{
	if (!p || p->child <= 0 || p->child != pid)
		return false;
	p->child = 0;
	answered(p, status == 0 ? 0 : -EIO);
	return true;
}

static void pump(struct cor_publisher *p)
{
	if (p->under_way || p->timer.loop)
		return;
	if (!p->head) {
		if (p->finishing)
			p->c.drained(p->c.data);
		return;
	}
	int r = cor_empty(p->c.ttrpc_address) ? run_binary(p, p->head) : send_ttrpc(p, p->head);
	if (r < 0)
		broken(p);
}

void cor_publisher_send(struct cor_publisher *p, const char *topic, const char *type, const void *data,
			size_t n)
{
	struct event *e = n < EVENTS_BYTES_MAX ? malloc(sizeof(*e) + n) : NULL;
	if (!e)
		return;
	*e = (struct event){.topic = topic, .type = type, .at_ns = cor_now_ns(), .n = n};
	if (n)
		memcpy(e->data, data, n);
	while (p->head && (p->count >= EVENTS_MAX || p->bytes + n > EVENTS_BYTES_MAX)) {
		if (p->under_way && !p->head->next)
			break;
		drop(p, p->under_way ? &p->head->next : &p->head);
	}
	*p->tail = e;
	p->tail = &e->next;
	p->count++;
	p->bytes += n;
	pump(p);
}

static void on_late(struct cor_source *t)
{
	struct cor_publisher *p = container_of(t, struct cor_publisher, finish_timer);
	stop_timer(t);
	while (p->head)
		drop(p, &p->head);
	p->c.drained(p->c.data);
}

bool cor_publisher_finish(struct cor_publisher *p)
{
	if (!p || !p->head)
		return true;
	p->finishing = true;
	if (!p->finish_timer.loop)
		(void)cor_loop_timer(p->c.loop, &p->finish_timer, FINISH_NS, 0, on_late);
	return false;
}

struct cor_publisher *cor_publisher_new(const struct cor_publisher_config *config)
{
	if (cor_empty(config->ttrpc_address) &&
	    (cor_empty(config->publish_binary) || cor_empty(config->address)))
		return NULL;
	struct cor_publisher *p = cor_new0(struct cor_publisher, 1);
	if (!p)
		return NULL;
	p->c = *config;
	p->tail = &p->head;
	p->fd = -1;
	p->retry_ns = RETRY_FIRST_NS;
	return p;
}

struct cor_publisher *cor_publisher_free(struct cor_publisher *p)
{
	if (!p)
		return NULL;
	disconnect(p);
	stop_timer(&p->timer);
	stop_timer(&p->finish_timer);
	while (p->head)
		drop(p, &p->head);
	free(p);
	return NULL;
}
