"""The entry point of the command line: parses flags, runs the action, returns the exit status."""

import argparse
import os
import shutil
import signal
import sys
import traceback
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from hpsearch import __version__
from hpsearch.errors import HpsearchError, OutputClosedError
from hpsearch.output_encoding import make_streams_lenient
from hpsearch.secrets import mask_override, mask_text

if TYPE_CHECKING:
    from hpsearch.commands.dispatch import Action
    from hpsearch.commands.observer import Observer
    from hpsearch.compose.composer import Composer
    from hpsearch.terminal.console import Terminal

FLAGS = ("--help", "--version", "--cfg", "--config-dir", "--config-name")

PACKAGES = ("job", "hydra", "all")
"""Arguments of Hydra's `--cfg`."""

SEARCHES = "hpsearch searches by itself, as with 'search.tune=[optimizer]' search.trials=20"

HYDRA_FLAGS = {
    **dict.fromkeys(("m", "multirun"), SEARCHES),
    **dict.fromkeys(("i", "info", "list", "hydra-help"), "--help lists actions, groups, options and keys"),
    "resolve": "--cfg prints every value with its references resolved",
    **dict.fromkeys(("p", "package"), "--cfg prints the whole configuration"),
    **dict.fromkeys(("cp", "config-path"), "--config-dir DIR adds your own option files"),
    **dict.fromkeys(("r", "run", "experimental-rerun"), "a command without a flag runs, and resumes what is there"),
    **dict.fromkeys(("sc", "shell-completion"), "there is no completion; --help lists groups and options"),
}
"""Flags of Hydra that hpsearch does not have, without dashes, and the alternative."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: The command line without the program's name; `sys.argv` by default.

    Returns:
        The exit status: 0 done, 1 failed, 2 refused, 128 + n stopped by signal n.
    """
    make_streams_lenient()
    parser = _parser()
    words = sys.argv[1:] if arguments is None else arguments
    parsed, unknown = parser.parse_known_intermixed_args(list(_with_packages(words)))
    if unknown:
        parser.exit(2, "".join(f"hpsearch: {_printable(_about_flag(flag))}\n" for flag in unknown))
    try:
        return _run(parsed)
    except HpsearchError as error:
        sys.stdout.flush()  # keeps the order where both streams go to one file
        for line in str(error).splitlines():
            print(f"hpsearch: {_printable(line)}", file=sys.stderr)
        return error.exit_status
    except _TerminatedError:  # as with Ctrl-C below
        print("hpsearch: stopped by SIGTERM", file=sys.stderr)
        return 128 + signal.SIGTERM
    except KeyboardInterrupt:  # before the sweep listens to signals itself, nothing is open
        print("hpsearch: stopped by SIGINT; nothing was started", file=sys.stderr)
        return 130
    except Exception:  # noqa: BLE001  # printed as by Python, but with secrets masked
        sys.stdout.flush()
        print(mask_text(traceback.format_exc()), file=sys.stderr, end="")
        return 1


def _about_flag(flag: str) -> str:
    bare = mask_override(flag.lstrip("-"))
    flag = flag[: len(flag) - len(flag.lstrip("-"))] + bare
    name, equals, value = bare.partition("=")
    near = get_close_matches(flag.partition("=")[0], FLAGS, n=1, cutoff=0.7)
    if name in HYDRA_FLAGS:
        return f"{flag} is not a flag: {HYDRA_FLAGS[name]}"
    if name in ("sweep", "final", "report"):
        meant = f"+{name}={value or '…'}"
    elif near:
        meant = near[0]
    else:
        from hpsearch.config.schema import home_of  # noqa: PLC0415 (as in `_run`)

        key = home_of(name.replace("-", "_"))
        if key is None:
            return f"{flag} is not a flag, and keys are given without dashes, key=value (flags: {', '.join(FLAGS)})"
        meant = f"{key}={value if equals else '…'}"
    return f"{flag} is not a flag: did you mean {meant}? (flags: {', '.join(FLAGS)})"


def _with_packages(arguments: Sequence[str]) -> Iterator[str]:
    """Join `--cfg job`, Hydra's spelling, into one argument; `--cfg` alone means the same."""
    words = iter(arguments)
    for word in words:
        if word not in ("--cfg", "-c"):
            yield word
            continue
        following = next(words, None)
        yield f"--cfg={following if following in PACKAGES else PACKAGES[0]}"
        if following is not None and following not in PACKAGES:
            yield from _with_packages([following])


def _printable(text: str) -> str:
    # Names from a command line or a file may contain control characters.
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in mask_text(text))


def _run(parsed: argparse.Namespace) -> int:
    # Imported here, so that --version and a mistyped flag answer at once.
    from hpsearch.cli.help import fitted, help_text, option_help  # noqa: PLC0415
    from hpsearch.compose.composer import Composer  # noqa: PLC0415

    if parsed.help:
        text = option_help(parsed.overrides, parsed.config_dir) or help_text(parsed.config_dir)
        return _show(fitted(text, shutil.get_terminal_size().columns))
    from hpsearch.commands.dispatch import plan_action  # noqa: PLC0415

    composer = Composer(parsed.overrides, parsed.config_dir, parsed.config_name)
    action = plan_action(composer)
    if parsed.cfg:
        return _show(composer.printable())
    return _start(action, composer)


def _start(action: "Action", composer: "Composer") -> int:
    from hpsearch.execution.interrupts import StopSignals  # noqa: PLC0415
    from hpsearch.execution.worker_process import preload, stop_server  # noqa: PLC0415

    # A sweep handles SIGTERM itself; before and after it, the worker server must end too: it holds our output open.
    before = signal.signal(signal.SIGTERM, _terminate)
    try:
        # The server imports scikit-learn, torch and torch._dynamo while the driver imports modules and reads rows.
        if action.trains:
            preload("sklearn.model_selection", "hpsearch.execution.run_job", "torch._dynamo")
        from hpsearch.terminal.console import Terminal  # noqa: PLC0415
        from hpsearch.terminal.observer import TerminalObserver  # noqa: PLC0415

        terminal = Terminal()
        observer: Observer = TerminalObserver(terminal)
        if action.callbacks:
            from hpsearch.api.callbacks import load_callbacks, with_callbacks  # noqa: PLC0415 (few commands have any)

            observer = with_callbacks(observer, load_callbacks(action.callbacks), composer.command)
        for old, new in composer.overrides.replaced:
            terminal.line(f"{old} is given before {new}: the last one counts")
        return _show_result(action.name, action.run(observer, StopSignals()), terminal)
    finally:
        stop_server()
        signal.signal(signal.SIGTERM, before)


def _show_result(action: str, result: Any, terminal: "Terminal") -> int:
    """Print the result of an action, except what its observer has printed; return the exit status."""
    if action == "sweep":
        from hpsearch.terminal.sweep import show_sweep  # noqa: PLC0415 (each screen loads what its action has loaded)

        show_sweep(terminal, result)
        return 0 if result.scored else 1
    if action == "across_data_sets":
        from hpsearch.terminal.across_data_sets import show_across_data_sets  # noqa: PLC0415

        show_across_data_sets(terminal, result)
        return 0 if all(sweep.scored for sweep in result.results.values()) else 1
    if action == "leaderboard":
        from hpsearch.terminal.leaderboard import show_leaderboard  # noqa: PLC0415

        show_leaderboard(terminal, result)
    elif action == "data_check":
        from hpsearch.terminal.data_check import show_data_check  # noqa: PLC0415

        show_data_check(terminal, result)
    elif action == "report":
        from hpsearch.terminal.report import show_report  # noqa: PLC0415

        show_report(terminal, result)
    return 0


class _TerminatedError(BaseException):
    """SIGTERM arrived while no sweep handled it."""


def _terminate(_number: int, _frame: FrameType | None) -> None:
    raise _TerminatedError


def _show(text: str) -> int:
    """Print a text and return the exit status, which differs if the reader closed the pipe, as in `--help | head`."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        from hpsearch.terminal.console import discard_output  # noqa: PLC0415

        discard_output()
        return OutputClosedError.exit_status
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="hpsearch", add_help=False, allow_abbrev=False)
    parser.add_argument("overrides", nargs="*")
    parser.add_argument("--help", "-h", "-help", action="store_true")
    parser.add_argument("--version", action="version", version=f"hpsearch {__version__}")
    parser.add_argument("--cfg", type=_package)
    parser.add_argument("--config-dir", "-cd", type=_folder)
    parser.add_argument("--config-name", "-cn", default="config")
    return parser


def _package(text: str) -> str:
    if text != PACKAGES[0]:
        raise argparse.ArgumentTypeError(f"{text} is not printed: --cfg job is the whole configuration of hpsearch")
    return text


def _folder(text: str) -> Path:
    path = Path(text)
    if not os.path.isdir(path):  # noqa: PTH112  # unlike Path.is_dir, accepts names that are too long
        raise argparse.ArgumentTypeError(f"{text} is not a folder")
    return path
