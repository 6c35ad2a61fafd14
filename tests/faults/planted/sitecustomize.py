"""What a planted environment does to every process: no file locks, or a wall clock that jumps."""

import os
import time

if os.environ.get("PLANTED_NO_LOCKS"):
    import errno
    import fcntl

    def _refused(descriptor, operation):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    fcntl.flock = _refused

if os.environ.get("PLANTED_CLOCK_JUMPS_S"):
    _jump, _start, _time = float(os.environ["PLANTED_CLOCK_JUMPS_S"]), time.monotonic(), time.time
    time.time = lambda: _time() + _jump * (time.monotonic() - _start > 1.0)
    time.time_ns = lambda: int(time.time() * 1e9)
