"""The options by which a data set is divided, of every command that divides one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click


def split_options(seed: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add --val, --test, --split and --seed to a command; `seed` says what the last one is the seed of."""
    options = (
        click.option("--val", default=0.0, metavar="P", help="Percent of each class for validation."),
        click.option("--test", default=0.0, metavar="P", help="Percent of each class for testing."),
        click.option(
            "--split",
            default="hash",
            show_default=True,
            type=click.Choice(["hash", "digits"]),
            help="By a hash of the name, or by DIGITS's own rule.",
        ),
        click.option("--seed", default=0, show_default=True, metavar="N", help=seed),
    )

    def added(command: Callable[..., Any]) -> Callable[..., Any]:
        """The command with the options, in their order."""
        for option in reversed(options):
            command = option(command)
        return command

    return added
