"""`frr-adapter watch`: the installation as it changes."""

from typing import Annotated

import typer

from cli.commands import options

EPILOG = """Examples:
  frr-adapter watch
  frr-adapter watch | grep session
  frr-adapter watch --interval 2
"""


def command(
    *,
    interval: Annotated[
        float, typer.Option("--interval", min=0.05, help="Seconds between two drawings, at least.")
    ] = 0.25,
    kubeconfig: options.Kubeconfig = "",
    context: options.Context = "",
    namespace: options.Namespace = options.NAMESPACE,
    lb_class: options.LbClass = None,
) -> None:
    """Show what changes, as it changes.

    On a terminal, the view of status, redrawn in place, with the last changes below: an address assigned, a session up or down, an
    owner moved. In a pipe, one line for each change. Objects are watched, nodes are not asked. Ctrl-C ends it, with exit status 0.
    """
    import asyncio
    import contextlib
    import datetime as dt
    import os

    from cli import errors
    from cli.boundary import clusters, following, sources
    from cli.core import changes, status
    from cli.core import world as worlds
    from cli.view import output as out
    from cli.view import watch as view
    from frr_adapter import errors as adapter_errors
    from frr_adapter.boundary import logs

    place = sources.Place(
        kubeconfig=kubeconfig, context=context, namespace=namespace, lb_class=lb_class, asks_nodes=False
    )
    first = sources.gather(place)
    access = clusters.access(kubeconfig, context, os.environ)
    if access is None:
        raise errors.NoAnswerError("there is no cluster to watch")
    # What the watches run into is said in the view.
    logs.configure(logs.Level.NONE)
    course = worlds.Course(first.programs)
    before: status.Picture | None = None
    console = out.console()

    def look(sight: following.Sight) -> None:
        nonlocal before
        taken_at = f"{dt.datetime.now(dt.UTC):%Y-%m-%dT%H:%M:%SZ}"
        picture = status.picture(sources.completed(following.seen(first, sight, taken_at)), course)
        document = status.document(picture)
        screen.show(document, changes.first(document) if before is None else changes.between(before, picture))
        before = picture

    with (
        contextlib.suppress(KeyboardInterrupt),
        view.Screen(console) if console.is_terminal else view.Lines(console) as screen,
    ):
        try:
            asyncio.run(following.follow(access, namespace, following.kinds(first.unread), look, interval))
        except adapter_errors.SettingsError as error:
            raise errors.NoAnswerError(" ".join(str(error).split())) from None
