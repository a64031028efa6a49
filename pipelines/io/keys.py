"""The secret key of the pseudonyms: 32 bytes in hexadecimal, in a file only its owner may read."""

import os
import stat
from pathlib import Path

from pipelines.core.errors import WorkspaceError

KEY_BYTES = 32


def make_key(path: Path) -> None:
    """Write a new random key to `path`, which only the owner may read.

    Raises WorkspaceError if the file exists: a new key would give every patient a new pseudonym.
    """
    import secrets  # most commands find a key and need no other

    try:
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except FileExistsError as error:
        raise WorkspaceError(
            f"{path} exists", hint="Keep it: with another key all pseudonyms would change."
        ) from error
    except OSError as error:
        raise WorkspaceError(f"{path}: {error.strerror}") from error
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(KEY_BYTES) + "\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        path.unlink()  # half a key would be kept as if it were one
        raise WorkspaceError(f"{path}: {error.strerror}") from error


def read_key(path: Path) -> bytes:
    """The 32 bytes of the key at `path`.

    Raises WorkspaceError if it is absent, malformed, or readable by others than its owner.
    """
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            content = file.read(2 * KEY_BYTES + 3)
    except OSError as error:
        raise WorkspaceError(
            f"the key {path} cannot be read: {error.strerror}",
            hint="Name it with --key, or as `key` under [anonymize].",
        ) from error
    if os.name == "posix" and stat.S_IMODE(mode) & 0o077:
        raise WorkspaceError(
            f"the key {path} can be read by others",
            hint=f"Whoever has it can undo the pseudonyms: chmod 600 {path}",
        )
    try:
        key = bytes.fromhex(content.decode("ascii").strip())
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise WorkspaceError(
            f"{path} is no key: it must hold {2 * KEY_BYTES} hexadecimal digits",
            hint="Restore the key of this workspace from its safe copy.",
        )
    return key
