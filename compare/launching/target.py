"""Runs a person's code, of which nothing is believed but what comes back through the connection with the secret.

The code is imported and called in a child (see `target_child`) by one of our own functions. It may print without end,
hang, kill its process, start others, or write to whatever it finds open: that costs its own answer only.
"""

import hmac
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from time import monotonic
from typing import Any

from elbo_compare.compare.errors import InternalError, WorkerError, WorkerTimeoutError, printable
from elbo_compare.compare.launching.channel import Channel
from elbo_compare.compare.launching.child import ending
from elbo_compare.compare.launching.connected import Connected

IMPORTS_S = 300.0  # of a framework on a cold, slow disk of a busy machine
PRINTED = 400  # characters of what a failing function printed last
LARGEST = 64 * 2**20  # an answer is some kilobytes; one that is announced larger is none of ours
SURROUNDINGS = {"OMP_NUM_THREADS": "1", "JAX_PLATFORMS": "cpu", "PYTHONWARNINGS": "ignore"}
CHILD = (
    "-u",
    "-c",
    "import sys; from elbo_compare.compare.launching.target_child import main; main(sys.argv[1])",
)
REPORT_IT = "That is a fault of ours, not of what was judged: please report it with the command that shows it."
STARTING, IMPORTING, CALLING = "starting", "importing it", "calling it"


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Seconds that a person's code may take. The clock of `calls_s` starts when everything is imported."""

    calls_s: float
    imports_s: float = IMPORTS_S


@dataclass(frozen=True, kw_only=True)
class Returned:
    """What came of it. `answer` is our function's own; else `reason` says, on one line, how it ended and when.

    `imports_s`, `calls_s`: where the time went; nan until the stage is reached.
    """

    answer: Mapping[str, Any] | None
    reason: str = ""
    stage: str = STARTING
    hung: bool = False
    imports_s: float = float("nan")
    calls_s: float = float("nan")


def run_target(function: str, request: Mapping[str, Any], program: str, limits: Limits) -> Returned:
    """`function(request, tell)` in a child, on a person's code: its answer, or why there is none.

    function: MODULE:NAME of ours; it calls `tell(IMPORTING)` and `tell(CALLING)` as it goes. program: what `sys.argv`
    holds there, alone. The child and whatever it has started are gone when this returns, or raises. Raises
    InternalError where our own function failed.
    """
    child = Connected(CHILD, SURROUNDINGS | dict(os.environ))
    child.channel.largest = LARGEST
    conversation = _Conversation(channel=child.channel, secret=secrets.token_hex(16), limits=limits)
    try:
        child.channel.send(
            {"secret": conversation.secret, "function": function, "request": dict(request), "program": program}
        )
        answer, why = conversation.answer(), ""
    except WorkerTimeoutError:
        answer, why = None, conversation.too_slow()
    except WorkerError:
        code = child.wait(5.0)
        answer, why = None, _ended(code, conversation.stage)
    finally:
        child.close()
    printed = "" if answer is not None else child.printed().strip()
    tail = f" It printed last: {printable(printed.splitlines()[-1][-PRINTED:])!r}." if printed else ""
    return Returned(
        answer=answer,
        reason=why + tail,
        stage=conversation.stage,
        hung=answer is None and conversation.hung,
        imports_s=conversation.imports_s,
        calls_s=conversation.calls_s,
    )


@dataclass
class _Conversation:
    """What the child has said so far, and until when it may say the next thing."""

    channel: Channel
    secret: str
    limits: Limits
    stage: str = STARTING
    hung: bool = False
    imports_s: float = float("nan")
    calls_s: float = float("nan")

    def answer(self) -> dict[str, Any]:
        """The answer. Raises WorkerTimeoutError past a limit, WorkerError where the child ends or lacks the secret."""
        began = imported = monotonic()
        deadline = began + self.limits.imports_s
        while True:
            message = self.channel.receive(max(deadline - monotonic(), 1e-3))
            if not hmac.compare_digest(str(message.get("secret")), self.secret):
                raise WorkerError("something else than our own code wrote to the connection")
            if "answer" in message:
                self.calls_s = monotonic() - imported
                return message["answer"]
            if "fault" in message:
                raise InternalError(f"elbo-compare itself failed while {self.stage}: {message['fault']}. {REPORT_IT}")
            self.stage = str(message["stage"])
            if self.stage == CALLING:
                imported = monotonic()
                self.imports_s = imported - began
                deadline = imported + self.limits.calls_s

    def too_slow(self) -> str:
        """The words for a limit that has passed."""
        self.hung = True
        limit = self.limits.calls_s if self.stage == CALLING else self.limits.imports_s
        return f"No answer after {limit:g} s while {self.stage}: it hangs or is too slow; the process was ended."


def _ended(code: int, stage: str) -> str:
    if code < 0:
        return f"The process died by {ending(code)} while {stage}."
    return f"The process ended by itself while {stage} (sys.exit or os._exit?), with exit status {code}."
