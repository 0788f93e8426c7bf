"""Become another program that the kernel kills when its parent dies.

Run as a file: ``python -I -S tether.py PARENT_PID PROGRAM ARGUMENT...``. A parent that is itself
killed with SIGKILL can't tidy up; PR_SET_PDEATHSIG (Linux, prctl(2)) does it in its place and
survives the exec below. SIGKILL, because everything of ours is safe under it and nothing can
ignore it. Elsewhere than on Linux this only executes the program.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    """Tie this process to its parent, then replace it with the program."""
    parent, *command = sys.argv[1:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != int(parent):  # it died before the line above
            sys.exit(1)
    os.execvp(command[0], command)  # noqa: S606 - no shell is wanted


if __name__ == "__main__":
    main()
