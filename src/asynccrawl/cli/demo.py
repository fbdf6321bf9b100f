"""`asynccrawl demo`: a crawl to look at, on this machine alone."""

from __future__ import annotations

import asyncio
import shlex
import shutil
import signal
import sys
from contextlib import suppress
from pathlib import Path

import click

_LIST = "demo_urls.txt"
_DATASET = "ilsvrc12"
_SUBSET = "12_classes"
_DIGITS = "digits"
_SHARDS = "webdataset"


@click.command("demo")
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False), default=Path("asynccrawl-demo"))
@click.option("--records", default=700, show_default=True, type=click.IntRange(1, 100_000), help="Length of the list.")
@click.pass_context
def command(ctx: click.Context, directory: Path, records: int) -> None:
    """Serve photographs on loopback, with all that real lists meet, and crawl them into DIRECTORY."""
    _clear(directory)
    ctx.exit(asyncio.run(_demo(directory, records)))


def _clear(directory: Path) -> None:
    """Make room for a new demo where an old one was; never touch anything else."""
    if directory.exists() and any(directory.iterdir()) and not (directory / _LIST).exists():
        raise click.UsageError(f"{directory} is not empty and holds no earlier demo; name another directory")
    for made in (_DATASET, _SUBSET, _DIGITS, _SHARDS):
        shutil.rmtree(directory / made, ignore_errors=True)
    directory.mkdir(parents=True, exist_ok=True)


async def _demo(directory: Path, records: int) -> int:
    try:
        from ..testing.extras import MissingExtra
        from ..testing.site import DemoSite

        site = DemoSite(records)
        async with site.server:
            click.echo("Preparing photographs ...", err=True)
            lines = await asyncio.to_thread(site.fill)
            listed = directory / _LIST
            await asyncio.to_thread(listed.write_text, "\n".join(lines) + "\n")
            click.echo(_ABOUT.format(records=len(lines), list=listed), err=True)
            code = await _crawl(listed, directory / _DATASET)
            if code == 0:
                code = await _subset(directory / _DATASET, directory / _SUBSET)
            if code == 0:
                code = await _export(directory / _SUBSET, directory / _DIGITS, "lmdb --encoding jpg")
            if code == 0:
                code = await _export(directory / _SUBSET, directory / _SHARDS, "webdataset")
    except MissingExtra as error:
        raise click.ClickException(str(error)) from error
    if code == 0:
        tree = await asyncio.to_thread(_tree, directory / _SUBSET)
        click.echo(
            _AFTER.format(
                dataset=directory / _DATASET,
                subset=directory / _SUBSET,
                tree=tree,
                digits=directory / _DIGITS,
                shards=directory / _SHARDS,
            ),
            err=True,
        )
    return code


async def _crawl(listed: Path, dataset: Path) -> int:
    """The tutorial's command line, with the program's name changed and loopback opened."""
    words = f"crawl {shlex.quote(str(listed))} {shlex.quote(str(dataset))} --jobs 100 --retry 3 --sleep 0"
    return await _run(f"{words} --allow-net 127.0.0.0/8")


async def _subset(dataset: Path, subset: Path) -> int:
    """The twelve classes, for training and validation."""
    return await _run(f"subset {shlex.quote(str(dataset))} {shlex.quote(str(subset))} --groups imagenet12 --val 20")


async def _export(subset: Path, out: Path, format_: str) -> int:
    """The twelve classes in a form to train from."""
    return await _run(f"export {shlex.quote(str(subset))} {shlex.quote(str(out))} --format {format_}")


async def _run(typed: str) -> int:
    """One command line of ours, shown as typed, as its own process."""
    click.echo(f"\n$ asynccrawl {typed}", err=True)
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "asynccrawl", *shlex.split(typed))
    # Ctrl-C reaches the command by itself; this process waits for it, or its server would die first.
    with suppress(NotImplementedError):
        asyncio.get_running_loop().add_signal_handler(signal.SIGINT, lambda: None)
    return await process.wait()


def _tree(root: Path) -> str:
    """The directories below `root` with the number of pictures in each."""
    lines = [f"{root}/"]
    for split in sorted(path for path in root.iterdir() if path.is_dir()):
        classes = sorted(path for path in split.iterdir() if path.is_dir())
        counts = [sum(1 for _ in path.iterdir()) for path in classes]
        lines.append(f"    {split.name + '/':<18}{sum(counts):>5}")
        lines += [f"        {path.name + '/':<14}{n:>5}" for path, n in zip(classes, counts, strict=True)]
    return "\n".join(lines)


_ABOUT = """
{records} photographs under 50 ImageNet synsets wait on 20 hosts of this machine (127.0.0.1 to .20). One host is
slow, one answers "429, come back in a second" first, one is dead. Some answers are web pages, some are cut short,
and one in nine is the same 2,051-byte "no longer available" picture: it is on nobody's list of known ones, so it is
saved, until placeholders are discovered while crawling. The list is {list}."""

_AFTER = """
{tree}

{subset}/train and {subset}/val are ready for training: links to the pictures in
{dataset}, a directory a class; look at any of them. {digits} holds the
same as DIGITS would make it for Caffe, {shards} as tar shards. Every record's fate, as JSON Lines:
$ asynccrawl manifest {dataset}
The same crawl again would fetch only what failed for a passing cause; the report again:
$ asynccrawl report {dataset}"""
