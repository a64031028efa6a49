"""Where an error came from, without what it says: a message may quote a patient's value."""

from collections.abc import Iterator


def traceback_of(error: BaseException) -> str:
    """The lines of code that led to an error and to those before it, each with its type alone."""
    import traceback  # for bugs alone

    parts = (
        "".join(traceback.format_tb(one.__traceback__)) + f"{type(one).__name__}\n"
        for one in _first_to_last(error)
    )
    return "\n".join(parts)


def _first_to_last(error: BaseException) -> Iterator[BaseException]:
    """The errors that an error came from, then itself."""
    chain: list[BaseException] = []
    one: BaseException | None = error
    while one is not None and one not in chain:
        chain.append(one)
        one = one.__cause__ or (None if one.__suppress_context__ else one.__context__)
    return reversed(chain)
