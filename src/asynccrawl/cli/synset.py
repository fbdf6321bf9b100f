"""`asynccrawl synset`: what n01484850 is, and which synsets "great white" may mean."""

from __future__ import annotations

import click

from ..subset import find_synsets


@click.command("synset")
@click.argument("text", nargs=-1, required=True)
def command(text: tuple[str, ...]) -> None:
    """Look up a synset of the 1,000 by its id or by words. Words may mean several: a crane is a bird and a machine."""
    found = find_synsets(" ".join(text))
    if not found:
        raise click.UsageError(f"{' '.join(text)!r} is none of the 1,000 synsets, neither as an id nor in words")
    for synset in found:
        click.echo(str(synset))
