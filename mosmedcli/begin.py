"""Where `mosmed` begins: until its commands are loaded, Ctrl-C ends it without a traceback."""

import signal


def main() -> None:
    """Run a command; what interrupts it from then on is answered by `mosmedcli.main`."""
    is_ours = signal.getsignal(signal.SIGINT) is signal.default_int_handler  # nohup ignores it
    if is_ours:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from mosmedcli.main import main as commands

    if is_ours:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    commands()
