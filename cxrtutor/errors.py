"""The one exception for what a user can mend, and how a command line tells of it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

INTERRUPTED = 130
"""Typer's exit status after Ctrl-C."""

STOPPED = 143
"""The exit status of a program that SIGTERM ended, as shells count. A scheduler may start it again."""


class InputError(ValueError):
    """Something that was given is wrong; the message says what, where, and what to do about it.

    The command line prints the message alone and exits with status 2. Anything else that is raised is a fault of ours
    and keeps its traceback.
    """


class StoppedError(Exception):
    """A signal asked the work to stop, and it did in good order; the message says how far it came.

    The command line prints the message alone and exits with status 143, whichever signal it was.
    """


def first_process() -> bool:
    """Whether this is the first of the processes that share a work, on whichever machine: it alone tells of it.

    Whoever starts them says so in the environment: torchrun, Lightning Fabric, or Slurm.
    """
    return all(os.environ.get(name, "0") == "0" for name in ("RANK", "LOCAL_RANK", "NODE_RANK", "SLURM_PROCID"))


@contextmanager
def told_in_words() -> Iterator[None]:
    """Around a Typer program, which ends with an exit status: 0 well, 1 a fault of ours (with a traceback), 2 something
    to mend in what was given (a learning rate at which the loss is no longer a number among them), 130 interrupted,
    143 stopped by a signal in good order."""
    import typer

    try:
        yield
    except (InputError, FloatingPointError) as error:
        typer.secho("Error: ", fg="red", bold=True, nl=False, err=True)
        typer.echo(error, err=True)
        sys.exit(2)
    except StoppedError as stop:
        if first_process():
            typer.echo(stop, err=True)
        sys.exit(STOPPED)
    except SystemExit as end:
        if end.code == INTERRUPTED:
            typer.echo("Interrupted. What was finished is kept; the same command goes on from there.", err=True)
        raise
