"""The group of commands, and how errors become exit codes."""

from __future__ import annotations

import errno
import gc
import importlib
import os
import sys
import traceback
import warnings

import click

from .. import __version__, starting
from ..errors import DestinationBusy, ListError, SettingsError, StorageError

EXIT_FOUND, EXIT_USAGE, EXIT_STORAGE, EXIT_BUSY, EXIT_BUG = 1, 2, 3, 4, 70
_COMMANDS = {
    name: name
    for name in (
        "crawl",
        "demo",
        "export",
        "manifest",
        "near",
        "placeholders",
        "plan",
        "report",
        "retry",
        "subset",
        "synset",
        "verify",
    )
}


class _Lazy(click.Group):
    """Imports a command's module only when it is called, so that each starts fast."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of the commands."""
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, imported now."""
        if cmd_name not in _COMMANDS:
            return None
        gc.disable()  # little of what is imported is garbage, and looking for it takes 0.02 s
        try:
            command: click.Command = importlib.import_module(f".{_COMMANDS[cmd_name]}", __package__).command
        finally:
            gc.enable()
        starting.unwind()
        return command

    def invoke(self, ctx: click.Context) -> object:
        """Run the command. Whoever reads our output may have enough of it: no error, where click exits with 1."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            # Keep the interpreter from flushing what is left into the closed pipe.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return ctx.exit(0)


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__)
def group() -> None:
    """Turn a list of image URLs into a dataset that trains first time."""


def main(arguments: list[str] | None = None) -> None:
    """Run the command and exit. 2 usage or list, 3 storage, 4 destination busy, 70 a bug of ours."""
    _open_streams()
    # What Pillow thinks of a picture's directories is no message of ours: the picture's outcome tells what matters.
    warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")
    try:
        code = group.main(arguments, prog_name="asynccrawl", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        code = 130
    except (ListError, SettingsError) as error:
        code = _complain(error, EXIT_USAGE)
    except StorageError as error:
        code = _complain(error, EXIT_STORAGE)
    except DestinationBusy as error:
        code = _complain(error, EXIT_BUSY)
    except Exception as error:
        code = _unforeseen(error)
    starting.stop_at_once()
    gc.freeze()  # or the interpreter would look through all objects before it ends, in 0.04 s
    sys.exit(code or 0)


def _open_streams() -> None:
    """Daemons may start us with closed standard streams; the next file or socket would be taken for one of them."""
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest free descriptor, which is this one
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, mode, closefd=False))  # noqa: SIM115 -- lives as long as we do


def _unforeseen(error: Exception) -> int:
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO):
        return _complain(f"standard output cannot be written: {error.strerror}", EXIT_STORAGE)
    traceback.print_exception(error)
    click.echo("This is a bug in asynccrawl: please report it with the lines above.", err=True)
    return EXIT_BUG


def _complain(error: Exception | str, code: int) -> int:
    click.echo(f"asynccrawl: {error}", err=True)
    return code
