"""Runs a command whose system calls the kernel refuses, as told: `python -m tests.refusing linkat=EIO -- COMMAND...`.

By a seccomp filter (seccomp(2)), which stays over exec: the program is the real one, nothing is loaded into it or
traced, and the error comes from the kernel, as that of a failing disk does.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
import sys

_NUMBERS = {
    "x86_64": {
        "write": 1, "mmap": 9, "pwrite64": 18, "flock": 73, "fsync": 74, "fdatasync": 75, "openat": 257, "mkdirat": 258,
        "mkdir": 83, "linkat": 265, "syncfs": 306, "renameat2": 316,
    },
    "aarch64": {
        "write": 64, "mmap": 222, "pwrite64": 68, "flock": 32, "fsync": 82, "fdatasync": 83, "openat": 56,
        "mkdirat": 34, "mkdir": 34, "linkat": 37, "syncfs": 267, "renameat2": 276,
    },
}  # fmt: skip
_ARCHITECTURE = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}  # linux/audit.h
# Calls that are refused only with certain flags: which argument, what of it is looked at, and what it has to be.
_ONLY_WITH = {
    "create": ("openat", 2, os.O_EXCL, os.O_EXCL),  # a new file that must not be there yet
    "share": ("mmap", 3, 0x21, 0x01),  # MAP_SHARED of a file, without MAP_ANONYMOUS: SQLite's shared memory
}
_LOAD, _EQUAL, _AND, _RETURN = 0x20, 0x15, 0x54, 0x06  # linux/bpf_common.h, 32 bits wide
_ALLOW, _ERROR = 0x7FFF0000, 0x00050000  # linux/seccomp.h
_NO_NEW_PRIVILEGES, _SET_SECCOMP, _FILTER = 38, 22, 2  # linux/prctl.h


def refuse(rules: dict[str, int]) -> None:
    """From now on, and in all that this process executes, these calls fail with these errors. Raises OSError."""
    machine = platform.machine()
    code = [_step(_LOAD, 4), _step(_EQUAL, _ARCHITECTURE[machine], 1), _step(_RETURN, _ALLOW)]
    for name, error in rules.items():
        call, argument, mask, value = _ONLY_WITH.get(name, (name, 0, 0, 0))
        # Each rule: where the number or the flags are others, on to the next rule.
        code += [_step(_LOAD, 0), _step(_EQUAL, _NUMBERS[machine][call], 0, 4)]
        code += [_step(_LOAD, 16 + 8 * argument), _step(_AND, mask), _step(_EQUAL, value, 0, 1)]
        code += [_step(_RETURN, _ERROR | error)]
    code += [_step(_RETURN, _ALLOW)]
    program = b"".join(code)
    buffer = ctypes.create_string_buffer(program, len(program))
    loaded = struct.pack("HxxxxxxP", len(code), ctypes.addressof(buffer))
    _prctl(_NO_NEW_PRIVILEGES, 1)
    _prctl(_SET_SECCOMP, _FILTER, ctypes.c_char_p(loaded))


def _step(code: int, operand: int, if_so: int = 0, if_not: int = 0) -> bytes:
    return struct.pack("HBBI", code, if_so, if_not, operand)


def _prctl(option: int, *values: object) -> None:
    library = ctypes.CDLL(None, use_errno=True)
    if library.prctl(option, *values, *[0] * (4 - len(values))):
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


if __name__ == "__main__":
    words = sys.argv[1 : sys.argv.index("--")]
    command = sys.argv[sys.argv.index("--") + 1 :]
    refuse({name: getattr(errno, error) for name, _, error in (word.partition("=") for word in words)})
    os.execvp(command[0], command)
