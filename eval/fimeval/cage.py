"""Run a command that may do anything so that it harms nothing. Linux; standard library only.

    python -I cage.py MAX_PROCESSES DIRECTORY COMMAND [ARGUMENT ...]

The command gets name spaces of its own (users, mounts, processes, network, IPC): it sees the whole
file system but cannot write to it, DIRECTORY included; it works in an empty directory in memory of
64 MiB; it has no network; it cannot have more than MAX_PROCESSES at once; and when it ends, or this
process is killed, everything it has started ends with it. Root becomes nobody, who may read what
root may and nothing more, for of root no limit on processes is kept. The exit status is the
command's, or 128 and the signal's number; 120 if the cage cannot be built here.
"""

import contextlib
import ctypes
import os
import resource
import signal
import struct
import sys

CANNOT = 120
_MEMORY = b"size=64m,mode=1777"
_NOBODY = 65534

_CLONE_NEWNS, _CLONE_NEWIPC, _CLONE_NEWUSER = 0x20000, 0x08000000, 0x10000000
_CLONE_NEWPID, _CLONE_NEWNET = 0x20000000, 0x40000000
_MS_BIND, _MS_REC, _MS_PRIVATE, _MS_NOSUID, _MS_NODEV = 0x1000, 0x4000, 0x40000, 2, 4
_AT_FDCWD, _AT_RECURSIVE, _MOUNT_ATTR_RDONLY = -100, 0x8000, 1
_SYS_MOUNT_SETATTR = 442
_PR_SET_PDEATHSIG, _PR_SET_KEEPCAPS, _PR_SET_NO_NEW_PRIVS, _PR_CAP_AMBIENT = 1, 8, 38, 47
_CAP_DAC_READ_SEARCH = 2

_libc = ctypes.CDLL(None, use_errno=True)


def run_caged(max_processes: int, directory: str, command: list[str]) -> int:
    """Run a command in a cage.

    Fails with an OSError where the system does not let this user build one.

    Args:
        max_processes: Processes and threads that it may have at once.
        directory: Where its files lie, readable; under the directory for temporary files.
        command: Program and arguments.

    Returns:
        Its exit status, or 128 and the number of the signal that ended it.
    """
    is_root = os.getuid() == 0
    _enter_namespaces(is_root)
    _close_file_system(directory)
    child = os.fork()  # the first process of the new name space: its end is the end of all
    if child == 0:
        try:
            _drop(is_root, max_processes)
            os.chdir(_workplace(directory))
            os.execvp(command[0], command)
        except OSError as error:
            sys.stderr.write(f"{error}\n")
            os._exit(CANNOT)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def _enter_namespaces(is_root: bool) -> None:
    """Leave for name spaces of our own; a process that stays outside says who is who in there."""
    reading, writing = os.pipe()
    me, uid, gid = os.getpid(), os.getuid(), os.getgid()
    scribe = os.fork()
    if scribe == 0:
        try:
            os.close(writing)
            os.read(reading, 1)
            users = "0 0 1\n65534 65534 1\n" if is_root else f"{uid} {uid} 1\n"
            groups = "0 0 1\n65534 65534 1\n" if is_root else f"{gid} {gid} 1\n"
            if not is_root:
                _write(f"/proc/{me}/setgroups", "deny")
            _write(f"/proc/{me}/uid_map", users)
            _write(f"/proc/{me}/gid_map", groups)
            os._exit(0)
        except OSError:
            os._exit(1)
    os.close(reading)
    flags = _CLONE_NEWUSER | _CLONE_NEWNS | _CLONE_NEWNET | _CLONE_NEWPID | _CLONE_NEWIPC
    failed = _libc.unshare(flags) != 0
    number = ctypes.get_errno()
    os.write(writing, b"x")
    os.close(writing)
    _, status = os.waitpid(scribe, 0)
    if failed:
        raise OSError(number, "no name spaces for this user")
    if status != 0:
        raise OSError("who is who could not be said")


def _close_file_system(directory: str) -> None:
    """Make everything unwritable but a workplace in memory beside the directory."""
    _mount(None, "/", None, _MS_REC | _MS_PRIVATE)
    files = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    above = os.path.dirname(directory)
    _mount("tmpfs", above, "tmpfs", _MS_NOSUID | _MS_NODEV, _MEMORY)
    os.mkdir(directory)
    _mount(f"/proc/self/fd/{files}", directory, None, _MS_BIND)
    os.close(files)
    os.mkdir(_workplace(directory))
    os.chmod(_workplace(directory), 0o777)
    _set_read_only("/", recursive=True, value=True)
    _set_read_only(above, recursive=False, value=False)


def _workplace(directory: str) -> str:
    return directory + "-work"


def _drop(is_root: bool, max_processes: int) -> None:
    """Give up what a program must not have, right before it starts."""
    _check(_libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0))
    if is_root:
        os.setgroups([])
        os.setresgid(_NOBODY, _NOBODY, _NOBODY)
        _check(_libc.prctl(_PR_SET_KEEPCAPS, 1, 0, 0, 0))
        os.setresuid(_NOBODY, _NOBODY, _NOBODY)
        _keep_capability(_CAP_DAC_READ_SEARCH)
        # A change of user clears the wish to end with the parent.
        _check(_libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0))
    _check(_libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
    resource.setrlimit(resource.RLIMIT_NPROC, (max_processes, max_processes))


def _keep_capability(number: int) -> None:
    """Keep one capability over the program's start, and no other."""
    header = struct.pack("=Ii", 0x20080522, 0)
    mask = 1 << number
    _check(_libc.capset(header, struct.pack("=6I", mask, mask, mask, 0, 0, 0)))
    _check(_libc.prctl(_PR_CAP_AMBIENT, 2, number, 0, 0))


def _mount(
    source: str | None, target: str, kind: str | None, flags: int, options: bytes | None = None
) -> None:
    texts = [None if text is None else text.encode() for text in (source, target, kind)]
    _check(_libc.mount(*texts, ctypes.c_ulong(flags), options))


def _set_read_only(path: str, *, recursive: bool, value: bool) -> None:
    sets, clears = (_MOUNT_ATTR_RDONLY, 0) if value else (0, _MOUNT_ATTR_RDONLY)
    attributes = struct.pack("=4Q", sets, clears, 0, 0)
    flags = _AT_RECURSIVE if recursive else 0
    _check(
        _libc.syscall(
            ctypes.c_long(_SYS_MOUNT_SETATTR),
            ctypes.c_int(_AT_FDCWD),
            path.encode(),
            ctypes.c_uint(flags),
            attributes,
            ctypes.c_size_t(len(attributes)),
        )
    )


def _check(result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="ascii") as file:
        file.write(text)


def main() -> None:
    """Run the command line."""
    max_processes, directory, *command = sys.argv[1:]
    status = CANNOT
    with contextlib.suppress(OSError):
        status = run_caged(int(max_processes), directory, command)
    sys.exit(status)


if __name__ == "__main__":
    main()
