"""Cuts the power of a process and of the file system that holds a folder, in one moment.

Usage: cut_power.py FOLDER [PID]. Says "ready", and cuts when a line "cut" comes; without one it does
nothing. The file system is shut down with Linux's FS_IOC_SHUTDOWN (ext4, XFS, F2FS) without writing out
its log: what was not synced is lost with the next unmount, as it is when a machine loses power.

The process must go first. The kernel does not shut a file system down in one moment: an fdatasync that
is under way may report success and yet lose its data. A machine without power hears no such report.
"""

import fcntl
import os
import signal
import struct
import sys

# include/uapi/linux/fs.h: _IOR('X', 125, __u32); fs/ext4: EXT4_GOING_FLAGS_NOLOGFLUSH.
FS_IOC_SHUTDOWN = 0x8004587D
GOING_FLAGS_NOLOGFLUSH = struct.pack("I", 2)


def main() -> None:
    folder = os.open(sys.argv[1], os.O_RDONLY | os.O_DIRECTORY)
    print("ready", flush=True)
    if sys.stdin.readline() != "cut\n":
        return
    try:
        for pid in sys.argv[2:]:
            os.kill(int(pid), signal.SIGKILL)
        fcntl.ioctl(folder, FS_IOC_SHUTDOWN, GOING_FLAGS_NOLOGFLUSH)
    except OSError as error:
        sys.exit(f"cutting the power: {error}")


if __name__ == "__main__":
    main()
