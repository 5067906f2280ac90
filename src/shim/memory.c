/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An idle shim's memory. There may be thousands of shims that wait for weeks, so what a request needed is given back a while
 * after it (the one that follows at once does not pay):
 *
 *  - the heap's free pages, the copy buffer, and the stack below the wait;
 *  - the mapped pages of the program's text and constants. Those stay in the page cache, the next event faults in the few
 *    that it needs (some microseconds for all of them).
 *
 * From then on every event is followed by the same, once nothing has come for a while.
 *
 * The kernel maps 16 pages around every fault, so the way back from here into the loop's own wait would bring half of the
 * text back. That is why the wait for the next event happens here, in one function that calls nothing.
 */
#include <elf.h>
#include <link.h>
#include <malloc.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/alloc.h"
#include "shim/io.h"
#include "shim/shim.h"

#define IDLE_NS    (200 * 1000000LL)
#define STACK_DROP (96u << 10) /* below the wait; more than any request's depth */
#define RANGES_MAX 16

struct range {
	uintptr_t from, size;
};
struct ranges {
	struct range r[RANGES_MAX];
	size_t n;
};

static void add_range(struct ranges *all, uintptr_t from, uintptr_t to)
{
	if (from < to && all->n < RANGES_MAX)
		all->r[all->n++] = (struct range){from, to - from};
}

/* Segments that are not writable hold file pages only: unmapping them loses nothing. (Relocated constants lie in a writable
 * segment, although they are read-only by now.) */
static int find_segments(struct dl_phdr_info *info, size_t size, void *data)
{
	(void)size;
	uintptr_t page = (uintptr_t)getpagesize();
	for (size_t i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *ph = &info->dlpi_phdr[i];
		if (ph->p_type != PT_LOAD || (ph->p_flags & PF_W))
			continue;
		uintptr_t from = (info->dlpi_addr + ph->p_vaddr) & ~(page - 1);
		add_range(data, from, (info->dlpi_addr + ph->p_vaddr + ph->p_memsz + page - 1) & ~(page - 1));
	}
	return 0;
}

/* A system call without libc's wrapper, whose page would come back with its neighbours. */
static inline __attribute__((always_inline)) long call3(long number, long a, long b, long c)
{
#ifdef __x86_64__
	long r;
	__asm__ volatile("syscall" : "=a"(r) : "a"(number), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
	return r;
#else
	return syscall(number, a, b, c);
#endif
}

/* Drops the ranges and waits until the loop has something to do. */
static __attribute__((noinline)) void drop_and_wait(const struct ranges *all, struct pollfd *p)
{
	for (size_t i = 0; i < all->n; i++)
		(void)call3(SYS_madvise, (long)all->r[i].from, (long)all->r[i].size, MADV_DONTNEED);
#ifdef SYS_poll
	(void)call3(SYS_poll, (long)p, 1, -1);
#endif
}

static void on_idle(struct cor_source *timer)
{
	struct cor_shim *s = container_of(timer, struct cor_shim, trim_timer);
	struct pollfd p = {.fd = cor_loop_fd(s->loop), .events = POLLIN};
	struct ranges all = {.n = 0};
	uintptr_t page = (uintptr_t)getpagesize();
	cor_loop_remove(timer);
	if (poll(&p, 1, 0) != 0) { /* not idle: later */
		cor_shim_trim(s);
		return;
	}
	(void)malloc_trim(0);
	(void)dl_iterate_phdr(find_segments, &all);
	uintptr_t top = ((uintptr_t)__builtin_frame_address(0) & ~(page - 1)) - page;
	add_range(&all, top - STACK_DROP, top);
	size_t n;
	uintptr_t buffer = (uintptr_t)cor_pump_buffer(&n);
	add_range(&all, buffer, buffer + n);
	drop_and_wait(&all, &p);
	cor_shim_trim(s); /* whatever woke it up brings pages back */
}

void cor_shim_trim(struct cor_shim *s)
{
	if (!s->trim_timer.loop)
		(void)cor_loop_timer(s->loop, &s->trim_timer, IDLE_NS, 0, on_idle);
}
