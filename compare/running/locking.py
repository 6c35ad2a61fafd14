"""One run per result folder: a lock that the kernel frees when its holder dies, with the holder's name in it."""

import errno
import fcntl
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from elbo_compare.compare.errors import StoreError
from elbo_compare.compare.files import open_regular


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Hold `folder` for one run, making it where it is missing.

    A lock file left by a killed run on this host is passed over: the kernel has freed its lock. One that names another
    host is not, since not every shared file system tells hosts of each other's locks. Raises StoreError with the
    holder's process and host where the folder is in use, and where it can't be written to.
    """
    path = folder / "lock"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = _take(path)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EINVAL, errno.EISDIR):
            raise StoreError(f"{path} is a link or no regular file: remove it, or choose -o DIR.") from error
        raise StoreError(f"{folder} can't be written to: {error.strerror or error}. Choose -o DIR.") from error
    try:
        yield
    finally:
        with suppress(OSError):  # removed before it is freed: whoever gets it then finds that it is no longer there
            path.unlink(missing_ok=True)
        os.close(descriptor)


def _take(path: Path) -> int:
    while True:
        descriptor = open_regular(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not _is_at(descriptor, path):  # its holder has just removed it
                os.close(descriptor)
                continue
            if os.fstat(descriptor).st_nlink > 1:
                raise OSError(errno.EINVAL, "It has another name too, whose content it would lose", str(path))
            _refuse_other_host(descriptor, path)
            text = json.dumps({"pid": os.getpid(), "host": socket.gethostname()})
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, text.encode(), 0)
        except BlockingIOError:
            holder = _holder(descriptor)
            os.close(descriptor)
            raise StoreError(f"{path.parent} is in use by {_named(holder)}. Choose another folder with -o.") from None
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _refuse_other_host(descriptor: int, path: Path) -> None:
    holder = _holder(descriptor)
    if holder is not None and holder[1] != socket.gethostname():
        raise StoreError(
            f"{path.parent} is in use by {_named(holder)}. Choose another folder with -o, or remove {path} "
            "where that run is known to have ended."
        )


def _holder(descriptor: int) -> tuple[int, str] | None:
    """Process and host as the lock file gives them; None where it is empty or holds something else."""
    try:
        content = json.loads(os.pread(descriptor, 4096, 0))
        return int(content["pid"]), str(content["host"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def _named(holder: tuple[int, str] | None) -> str:
    return "another run" if holder is None else f"process {holder[0]} on {holder[1]}"
