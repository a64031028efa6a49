"""Texts that a person has written: settings, recipes, lists."""

from pathlib import Path

from pipelines.core.errors import SettingsError

MAXIMUM_TEXT_BYTES = 1 << 20


def read_text(path: Path) -> str:
    """A text in UTF-8, with or without the mark that Notepad puts in front of it.

    Raises SettingsError for what is none.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAXIMUM_TEXT_BYTES + 1)
        if len(content) > MAXIMUM_TEXT_BYTES:
            raise SettingsError(f"{path}: larger than 1 MiB")
        return content.decode("utf-8-sig")
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise SettingsError(
            f"{path}: not a text in UTF-8", hint="Open it in an editor and save it as UTF-8."
        ) from error
