"""The one exception for what a user can mend, and how a command line tells of it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

INTERRUPTED = 130
"""Typer's exit status after Ctrl-C."""


class InputError(ValueError):
    """Something that was given is wrong; the message says what, where, and what to do about it.

    The command line prints the message alone and exits with status 2. Anything else that is raised is a fault of ours
    and keeps its traceback.
    """


@contextmanager
def told_in_words() -> Iterator[None]:
    """Around a Typer program, which ends with an exit status: 0 well, 1 a fault of ours (with a traceback), 2 something
    to mend in what was given (a learning rate at which the loss is no longer a number among them), 130 interrupted."""
    import typer

    try:
        yield
    except (InputError, FloatingPointError) as error:
        typer.secho("Error: ", fg="red", bold=True, nl=False, err=True)
        typer.echo(error, err=True)
        sys.exit(2)
    except SystemExit as end:
        if end.code == INTERRUPTED:
            typer.echo("Interrupted. What was finished is kept; the same command goes on from there.", err=True)
        raise
