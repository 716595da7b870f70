"""`poptrain dashboard`: a live page over one study or a folder of them."""

from __future__ import annotations

import secrets
import socket
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer

from poptrain.cli.terminal import say
from poptrain.core.errors import ConfigError, MissingExtra
from poptrain.store.directory import StudyDirectory

__all__ = ["dashboard"]


def dashboard(
    folder: Annotated[
        Path, typer.Argument(metavar="STUDY|FOLDER", help="A study's folder, or a folder that holds studies.")
    ] = Path("runs"),
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0: any that is free.")] = 0,
    browser: Annotated[bool, typer.Option("--open/--no-open", help="Open it in the browser.")] = False,
) -> None:
    """Serve a live page over one study or a folder of them, on this machine only, until Ctrl-C.

    It reads journals and changes nothing. The address that it prints has a token in it, which works once.
    """
    if not folder.is_dir():
        raise ConfigError(f"{folder} is not a folder: name a study's folder, or one that holds studies")
    try:
        modules = [import_module(name) for name in ("poptrain.dashboard", "uvicorn")]
    except ImportError:
        raise MissingExtra("the dashboard", "dashboard") from None
    taken = _listen(port)
    number, token = taken.getsockname()[1], secrets.token_urlsafe(24)
    address = f"http://127.0.0.1:{number}/?token={token}"
    kind = "study" if StudyDirectory(folder).exists() else "studies"
    say(f"{kind} in {folder}: {address}\nCtrl-C ends the dashboard; studies are never touched")
    if browser:
        typer.launch(address)
    _serve(modules, folder, taken, number, token)


def _listen(port: int) -> socket.socket:
    taken = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        taken.bind(("127.0.0.1", port))
        taken.listen(64)  # whoever is quicker than the server waits
    except OSError as error:
        taken.close()
        raise ConfigError(f"port {port} cannot be used: {error.strerror or error}; pass another one, or none") from error
    return taken


def _serve(modules: list[Any], folder: Path, taken: socket.socket, number: int, token: str) -> None:
    pages, uvicorn = modules
    hosts = frozenset((f"127.0.0.1:{number}", f"localhost:{number}"))
    server: Any = None
    app = pages.make_app(pages.Shelf(folder), closing=lambda: server is not None and server.should_exit)
    guarded = pages.Guard(app, token=token, hosts=hosts, name=f"poptrain-{number}")
    config = uvicorn.Config(
        guarded, log_level="warning", access_log=False, server_header=False, timeout_graceful_shutdown=3, lifespan="off"
    )
    server = uvicorn.Server(config)
    try:
        server.run(sockets=[taken])
    except KeyboardInterrupt:
        say("", err=True)
