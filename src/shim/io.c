/* SPDX-License-Identifier: Apache-2.0 */
/* The life of a process's stdio; see shim/io.h for the order of events. */
#include "shim/io.h"

#include <errno.h>
#include <signal.h>
#include <sys/stat.h>

#include "base/fd.h"

static void reset(struct cor_io *io)
{
	*io = (struct cor_io){
		.child = {-1, -1, -1}, .keep = {-1, -1, -1}, .master = -1, .fifo = -1, .ready = -1};
	io->in.fd = -1;
	io->sink.fd = -1;
	for (int i = 0; i < 2; i++)
		io->out[i] = (struct cor_output){
			.io = io, .fd = -1, .stream = i ? COR_STREAM_ERR : COR_STREAM_OUT};
}

/* In a user namespace the process is nobody to what root has made: it can use the descriptors, but what it opens anew through
 * /proc (/dev/stdout) would be refused. Pipes, and files for output, become its own; without a user namespace the runtimes do
 * the same for another user. */
static int give_to_owner(const struct cor_io *io, const struct cor_io_request *req, struct cor_error *err)
{
	for (int i = 0; i < 3; i++) {
		struct stat st;
		if (io->child[i] < 0)
			continue;
		if (fstat(io->child[i], &st) < 0)
			return cor_error_errno(err, errno, "stdio");
		bool own = S_ISFIFO(st.st_mode) || (i > 0 && S_ISREG(st.st_mode));
		/* A file system that cannot: the descriptor works all the same. */
		if (own && fchown(io->child[i], req->uid, req->gid) < 0 && errno != EPERM &&
		    errno != EINVAL && errno != EROFS && errno != EOPNOTSUPP && errno != ENOSYS)
			return cor_error_errno(err, errno, "stdio: change owner");
	}
	return 0;
}

int cor_io_open(struct cor_io *io, const struct cor_io_request *req, struct cor_error *err)
{
	reset(io);
	io->loop = req->loop;
	io->terminal = req->terminal;
	int r = cor_io_open_strings(io, req, err);
	if (r == 0 && (req->uid || req->gid))
		r = give_to_owner(io, req, err);
	if (r < 0)
		cor_io_done(io);
	return r;
}

int cor_io_ready_fd(const struct cor_io *io)
{
	return io->ready;
}

static void close_child_ends(struct cor_io *io)
{
	for (int i = 0; i < 3; i++)
		io->child[i] = cor_close(io->child[i]);
}

static void on_fifo(struct cor_source *s, uint32_t events)
{
	struct cor_io *io = container_of(s, struct cor_io, fifo_source);
	char buf[4096];
	(void)events;
	if (!cor_input_room(io)) {
		(void)cor_loop_modify(s, 0);
		return;
	}
	ssize_t n = read(io->fifo, buf, sizeof(buf));
	if (n > 0) {
		cor_input_write(io, buf, (size_t)n);
		return;
	}
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	cor_loop_remove(s);
}

static int start_terminal(struct cor_io *io, int master)
{
	/* Its own number in epoll: reading and writing are waited for apart. */
	int w = fcntl(master, F_DUPFD_CLOEXEC, 0);
	int r = w < 0 ? -errno : cor_set_nonblock(master, true);
	if (r < 0) {
		cor_close(w);
		return r;
	}
	r = cor_input_start(io, w);
	if (r < 0)
		return r;
	io->out[0].fd = fcntl(master, F_DUPFD_CLOEXEC, 0);
	if (io->out[0].fd < 0)
		return -errno;
	if (io->fifo >= 0)
		r = cor_loop_add(io->loop, &io->fifo_source, io->fifo, EPOLLIN, on_fifo);
	return r;
}

static int start(struct cor_io *io)
{
	int r = 0;
	if (io->pumping)
		return 0;
	io->pumping = true;
	if (io->terminal)
		r = start_terminal(io, io->master);
	return r < 0 ? r : cor_pump_start(io);
}

int cor_io_made(struct cor_io *io, int master_take, bool owned, struct cor_error *err)
{
	close_child_ends(io);
	io->master = master_take;
	int r = io->console && owned ? 0 : start(io);
	return r < 0 ? cor_error_errno(err, r, "stdio") : 0;
}

void cor_io_disowned(struct cor_io *io)
{
	if (io->console && io->master >= 0 && start(io) == 0 && io->exited)
		cor_pump_drain(io);
}

void cor_io_exited(struct cor_io *io)
{
	io->exited = true;
	if (io->pumping)
		cor_pump_drain(io);
	for (int i = 0; i < 3; i++)
		io->keep[i] = cor_close(io->keep[i]);
	cor_attach_end(io);
}

void cor_io_close_stdin(struct cor_io *io)
{
	io->keep[0] = cor_close(io->keep[0]);
	if (!io->terminal)
		cor_input_stop(io);
}

bool cor_io_child(struct cor_io *io, pid_t pid)
{
	if (io->logger <= 0 || io->logger != pid)
		return false;
	io->logger = 0;
	return true;
}

void cor_io_done(struct cor_io *io)
{
	if (!io->loop) /* never opened */
		return;
	close_child_ends(io);
	cor_attach_stop(io);
	cor_pump_stop(io);
	cor_input_stop(io);
	if (io->fifo_source.loop)
		cor_loop_remove(&io->fifo_source);
	io->fifo = cor_close(io->fifo);
	io->master = cor_close(io->master);
	io->ready = cor_close(io->ready);
	for (int i = 0; i < 3; i++)
		io->keep[i] = cor_close(io->keep[i]);
	io->log = cor_shim_log_close(io->log);
	free(TAKE_PTR(io->log_dir));
	io->loop = NULL;
}
