"""healthbrain serve, worker: the running installation, as a few processes that one command supervises."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from types import FrameType

import click

from healthbrain.cli import warming
from healthbrain.cli.boot import boot
from healthbrain.cli.output import json_option

PATIENCE = 20.0  # seconds a process has to end when asked


def children(host: str, port: int, mllp: int | None) -> list[list[str]]:
    """Command lines of the processes an installation consists of: pages, live stream, worker, HL7v2 listener."""
    granian = [sys.executable, "-m", "granian", "--no-ws", "--log-level", "warning", "--host", host]
    pages = ["--interface", "wsgi", "--port", str(port), "--workers", "2", "--blocking-threads", "4"]
    live = ["--interface", "asgi", "--port", str(port + 1), "--workers", "1"]
    commands = [
        [*granian, *pages, "healthbrain.wsgi:application"],
        [*granian, *live, "healthbrain.desks.live:application"],
        [sys.executable, "-m", "healthbrain", "worker"],
    ]
    if mllp:
        commands.append([sys.executable, "-m", "healthbrain", "mllp", "--host", host, "--port", str(mllp)])
    return commands


def insist_on_free(host: str, *ports: int) -> None:
    """Say in one line that a port is taken, before any process starts. Raises ClickException."""
    for port in ports:
        try:
            if ports.count(port) > 1:
                raise OSError("两处要用 asked for twice")
            socket.create_server((host, port)).close()
        except (OSError, OverflowError) as error:
            why = getattr(error, "strerror", None) or error
            raise click.ClickException(
                f"端口 {host}:{port} 用不了 cannot be used: {why}. 换一个 Choose another: --port, --mllp"
            ) from error


def supervise(commands: list[list[str]]) -> None:
    """Run the commands until one ends or we are told to stop; then stop the others.

    One that dies ends all: a half-running installation that looks alive is worse than one that is down.
    """
    stopping = threading.Event()

    def stop(number: int, frame: FrameType | None) -> None:
        stopping.set()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    # Each in a session of its own: a granian that is asked to end while it starts leaves its workers behind, serving.
    running = [subprocess.Popen(command, start_new_session=True) for command in commands]  # noqa: S603  our own
    warming.ahead()  # so that the first booking promised does not wait for a compiler
    try:
        while not stopping.is_set():
            for child, command in zip(running, commands, strict=True):
                if child.poll() is not None:
                    raise click.ClickException(
                        f"进程已结束 A process ended ({child.returncode}): {' '.join(command[1:4])}"
                    )
            stopping.wait(0.5)
    finally:
        end(running, PATIENCE)


def end(running: Iterable[subprocess.Popen[bytes]], seconds: float) -> None:
    """Ask the processes to end; after `seconds` in all, end those that have not, and what they started and left."""
    running = list(running)
    for child in running:
        child.terminate()
    until = time.monotonic() + seconds
    for child in running:
        try:
            child.wait(max(until - time.monotonic(), 0))
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        with suppress(ProcessLookupError):  # nobody left of its session; or it never had one of its own
            os.killpg(child.pid, signal.SIGKILL)


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=8000, show_default=True, help="Pages; the live stream takes the next port.")
@click.option("--mllp", type=int, help="Also listen for HL7v2 over MLLP on this port.")
@json_option
def serve(host: str, port: int, mllp: int | None, as_json: bool) -> None:
    """Run the installation: pages, live stream, worker and, if asked, the HL7v2 listener. Ctrl-C stops all."""
    insist_on_free(host, port, port + 1, *([mllp] if mllp else []))
    boot()
    run_system_checks()
    if not as_json:
        click.echo(f"健康大脑 Health Brain: http://{host}:{port}")
    supervise(children(host, port, mllp))


def run_system_checks() -> None:
    """Refuse to start with a page that declares no permission. Raises ClickException."""
    from django.core.management import CommandError, call_command

    try:
        call_command("check", verbosity=0)
    except CommandError as error:
        raise click.ClickException(str(error)) from error


@click.command()
@click.option("--once", is_flag=True, help="Think about what waits now, then end.")
@json_option
def worker(once: bool, as_json: bool) -> None:
    """Think all the time: re-judge residents whose data changed, wake tasks by date, run uploads and exports."""
    boot()
    from healthbrain.cli.lookout import keep_watch
    from healthbrain.cli.thinking import think_forever, think_once, watch_forever

    if once:
        thought = think_once()
        click.echo(f'{{"residents": {thought}}}' if as_json else f"已重新判断 {thought} 位居民 re-judged")
        return
    stopping = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    signal.signal(signal.SIGINT, lambda *_: stopping.set())
    beside = [threading.Thread(target=run, args=(stopping,), daemon=True) for run in (keep_watch, watch_forever)]
    for thread in beside:
        thread.start()
    jobs = subprocess.Popen([sys.executable, "-m", "django", "procrastinate", "worker"])
    try:
        think_forever(stopping)
    finally:
        end([jobs], PATIENCE / 2)  # before the supervisor loses its patience with us
        for thread in beside:
            thread.join(PATIENCE / 4)


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=2575, show_default=True)
@click.option("--source", help="Code of the sending system, where messages do not say it (MSH-3, MSH-4).")
@json_option
def mllp(host: str, port: int, source: str | None, as_json: bool) -> None:
    """Listen for HL7v2 over MLLP; a message is acknowledged only after it is stored."""
    insist_on_free(host, port)
    boot()
    from healthbrain.records.mllp import serve as listen

    stopping = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    signal.signal(signal.SIGINT, lambda *_: stopping.set())
    listen(port, host=host, source=source, stop=stopping)
    while not stopping.is_set():
        time.sleep(0.2)


COMMANDS = [serve, worker, mllp]
