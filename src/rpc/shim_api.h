/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The contract between the engine and coracle-shim: names and conventions on top of containerd's runtime-v2 Task service
 * (service "containerd.task.v2.Task", messages in proto/).
 *
 * One-step spawn by the embedded engine:
 *     coracle-shim -namespace NS -id ID -bundle DIR [-debug]
 * with cwd = DIR, a new session, 0..2 on /dev/null (2 may be DIR/shim.log with -debug), and
 *     fd 3  a listening unix stream socket, bound to DIR/shim.sock (0600; DIR is 0700)
 *     fd 4  one end of a socketpair: the first client connection, usable at once
 * The shim writes DIR/shim.pid ("<pid> <start time in ticks>\n") before it answers its first request. It serves until
 * Shutdown, or until every process is deleted and the last connection of a never-created task is gone.
 * (containerd's own way, `start` and `delete` of a containerd-shim-coracle-v2: shim/v2.h.)
 *
 * DIR/runtime (before the runtime is called): the runtime's program and its --root, absolute, one per line; for who cleans up
 * after a shim that was killed. --root is options.root/NS, or <state>/.runc/NS.
 *
 * stdio strings in CreateTaskRequest / ExecProcessRequest:
 *     ""                 /dev/null
 *     "pipe:"            (stdin of a process without a terminal) a pipe that the shim holds open for attached clients
 *     "fd:N"             the N-th descriptor sent along with the request (SCM_RIGHTS with its first byte); handed to the
 *                        process as it is and closed in the shim
 *     "console:"         (stdout of a terminal process) the pty's master travels with the response: of Create/Run for the init
 *                        process, of Start for an exec. The client copies. While the connection that took it lives, the shim
 *                        does not read the master; when it is gone, the shim reads on (for attach; else discards).
 *     "log:///DIR"       the shim copies output to DIR/current (see below); terminal or not; attach works beside it
 *     "file:///PATH"     appended raw (0640, parents made)
 *     "binary:///PATH?k=v"  containerd's logging binary: argv PATH k v …, CONTAINER_ID, CONTAINER_NAMESPACE, fd 3 stdout, 4
 *                        stderr, 5 ready pipe (closed by the logger when ready)
 *     "/path"            a FIFO, opened and handed to the process; also kept open so that no side sees a hang-up
 * Log lines are the Kubernetes CRI format: "<RFC3339Nano> <stdout|stderr> <F|P> <text>\n"; P: a partial line (over 16 KiB or
 * no newline yet at the end). Rotation: current -> 1 at COR_LOG_MAX bytes, two files at most, so bounded.
 * A process never blocks for ever because nobody reads: with log:// the shim always drains; attached clients that do not
 * read lose output (bounded buffer), never stall it. Log write failure (disk full): lines are dropped, and counted in a
 * later line.
 *
 * Our own service, on the same socket: "coracle.shim.v1.Shim"
 *     Run(CreateTaskRequest) -> CreateTaskResponse     Create and Start in one runtime call where it can
 *     Attach(coracle.shim.v1.AttachRequest) -> AttachResponse   a stream socket travels with the response (services.h: attach)
 *
 * The peer's uid must be the shim's own (SO_PEERCRED), else the connection is closed.
 * Exit statuses are as a shell's: code, or 128 + signal. Error texts are containerd's ("process already finished: not found" …).
 */
#ifndef COR_RPC_SHIM_API_H
#define COR_RPC_SHIM_API_H

#define COR_TASK_SERVICE            "containerd.task.v2.Task"
#define COR_TASK_SERVICE_V3         "containerd.task.v3.Task" /* the same messages */
#define COR_SHIM_SERVICE            "coracle.shim.v1.Shim"
#define COR_SHIM_LISTEN_FD          3
#define COR_SHIM_FIRST_FD           4
#define COR_SHIM_SOCKET             "shim.sock"
#define COR_SHIM_PID_FILE           "shim.pid"
#define COR_STDIO_CONSOLE           "console:"
#define COR_LOG_CURRENT             "current"
#define COR_LOG_PREVIOUS            "1"
#define COR_LOG_MAX                 (16u << 20)
/* google.protobuf.Any type of runc's options (containerd.runc.v1.Options). */
#define COR_RUNC_OPTIONS_TYPE       "containerd.runc.v1.Options"
/* The same of Checkpoint's options (containerd.runc.v1.CheckpointOptions). */
#define COR_CHECKPOINT_OPTIONS_TYPE "containerd.runc.v1.CheckpointOptions"
/* type URL of an OCI process / spec in an Any. */
#define COR_PROCESS_TYPE            "types.containerd.io/opencontainers/runtime-spec/1/Process"
#define COR_SPEC_TYPE               "types.containerd.io/opencontainers/runtime-spec/1/Spec"

#endif
