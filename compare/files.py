"""Files and folders that are whole at any moment, and only regular files opened.

What is written is written beside and renamed, so that a kill leaves the old or the new and nothing is written through
a link; a FIFO or a device that stands where a file is expected is refused, not waited for.
"""

import errno
import json
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from elbo_compare.compare.launching.lifeline import current

LARGEST = 512 * 2**20  # bytes of a file that is read whole; a cell's result has some hundred kilobytes
_TRIES = 5  # of a write whose folder vanishes: one removal takes the folder away once, or twice while it walks on
AT_FDCWD, RENAME_EXCHANGE = -100, 2  # linux/fcntl.h, linux/fs.h


def open_regular(path: Path, flags: int = os.O_RDONLY, mode: int = 0o644) -> int:
    """A descriptor of a regular file. Raises OSError, EINVAL, for anything else, without waiting for its other end."""
    descriptor = os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC, mode)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "It is no regular file", str(path))
    return descriptor


def read_bytes(path: Path, largest: int = LARGEST) -> bytes:
    """The content of a regular file of at most `largest` bytes. Raises OSError for anything else."""
    with os.fdopen(open_regular(path), "rb") as file:
        if os.fstat(file.fileno()).st_size > largest:
            raise OSError(errno.EFBIG, f"It has more than {largest} bytes", str(path))
        return file.read()


def read_text(path: Path, largest: int = LARGEST) -> str:
    """`read_bytes` as UTF-8."""
    return read_bytes(path, largest).decode("utf-8")


def read_json(path: Path) -> Any:
    """`parse_json` of a regular file. Raises OSError or ValueError."""
    return parse_json(read_text(path))


def parse_json(text: str | bytes) -> Any:
    """What JSON text says. Raises ValueError for whatever is none; lists a thousand deep are none."""
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def write_atomically(path: Path, body: bytes) -> None:
    """Write `body` so that the file is either whole or absent, whatever happens: temporary file, fsync, rename.

    Where somebody removes the folder meanwhile it is made again, and the file written again: what was measured stays.
    """
    for tries_left in reversed(range(_TRIES)):
        try:
            with atomic_file(path) as file:
                file.write(body)
            return
        except FileNotFoundError:
            if not tries_left:
                raise


@contextmanager
def atomic_file(path: Path) -> Iterator[IO[bytes]]:
    """As `write_atomically`, for what is written in parts: the file appears when the block has ended well."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    temporary.unlink(missing_ok=True)  # of a killed process that had our number, or a link that somebody has put there
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o666)
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename is None:
            error.filename = str(path)  # a full disk is found by a write, which knows no name
        raise
    sync_folder(path.parent)


def is_read_only(folder: Path) -> bool:
    """Whether a folder is there and nothing can be written to it: by its mode, or its file system's."""
    return folder.is_dir() and not os.access(folder, os.W_OK)


def refuse_links(folder: Path, root: Path) -> None:
    """Raises OSError, ELOOP, where a folder between `root` and `folder` is a link: what is written there would land
    somewhere else. `root` itself may be one."""
    while folder != root and folder != folder.parent:
        if folder.is_symlink():
            raise OSError(errno.ELOOP, "It is a link, not a folder of these results", str(folder))
        folder = folder.parent


def set_aside(path: Path, root: Path) -> bool:
    """Rename a damaged file of `root` to NAME.damaged, so that it is never read again; whether that could be done: what
    a link leads to is not ours to rename."""
    try:
        refuse_links(path.parent, root)
        path.replace(path.with_suffix(".damaged"))
    except OSError:
        return False
    return True


@contextmanager
def replaced(folder: Path) -> Iterator[Path]:
    """A new folder to fill, which takes the place of `folder` at the end of the block, at once and as a whole.

    Where the block raises, or this process is killed, `folder` stays as it was. A link in its place is replaced, not
    followed.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    building = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    held = str(building.resolve())
    current().hold("folder", held)
    try:
        building.chmod(0o777 & ~_umask())
        yield building
        _exchange(building, folder)
        sync_folder(folder.parent)
    finally:
        if building.is_symlink():
            building.unlink()  # the link that stood in the place
        shutil.rmtree(building, ignore_errors=True)
        current().release("folder", held)


def take_over(draft: Path, folder: Path) -> None:
    """Every file of a draft takes its place in `folder`, each whole and none through a link; what else is there stays.

    Raises OSError, ELOOP, where a folder on the way is a link.
    """
    for path in sorted(draft.rglob("*")):
        if path.is_file():
            place = folder / path.relative_to(draft)
            refuse_links(place.parent, folder)
            write_atomically(place, path.read_bytes())


def _exchange(new: Path, old: Path) -> None:
    """Let two folders change places, or rename `new` where there is no `old`."""
    if not os.path.lexists(old):
        new.rename(old)
        return
    import ctypes

    exchange = getattr(ctypes.CDLL(None), "renameat2", None)
    names = (AT_FDCWD, os.fsencode(new), AT_FDCWD, os.fsencode(old))
    if exchange is not None and exchange(*names, RENAME_EXCHANGE) == 0:
        return
    aside = new.with_name(f"{new.name}.old")  # elsewhere than on Linux: two renames, the old one back on an error
    old.rename(aside)
    try:
        new.rename(old)
    except BaseException:
        aside.rename(old)
        raise
    aside.rename(new)


def _umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


def sync_folder(folder: Path) -> None:
    """Make renames in a folder last through a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # some file systems sync no folders
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
