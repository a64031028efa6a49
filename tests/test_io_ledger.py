import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.core.errors import WorkspaceError
from pipelines.io.ledger import Entry, Ledger, Outcome, Outputs


def entry(public_id="s1", fingerprint="f", record=None):
    return Entry(
        public_id=public_id,
        fingerprint=fingerprint,
        outcome=Outcome.DONE,
        record=record or {},
        outputs=Outputs(files=1, size_bytes=2, sha256="x"),
        seconds=0.5,
        versions={"mosmed": "1"},
    )


def test_the_latest_entry_of_a_study_counts_also_after_reading_again(tmp_path):
    ledger = Ledger(tmp_path / "deep" / "ledger.jsonl")

    ledger.append(entry(fingerprint="old"))
    ledger.append(entry(public_id="s2", record={"имя": "строка\nстрока"}))
    ledger.append(entry(fingerprint="new"))

    again = Ledger(tmp_path / "deep" / "ledger.jsonl")
    assert again.get("s1") == ledger.get("s1") == entry(fingerprint="new")
    assert again.get("s2") == entry(public_id="s2", record={"имя": "строка\nстрока"})
    assert again.get("s3") is None


@given(cut=st.integers(1, 200))
def test_a_torn_last_line_is_forgotten_and_the_next_line_is_whole(tmp_path_factory, cut):
    path = tmp_path_factory.mktemp("ledger") / "ledger.jsonl"
    Ledger(path).append(entry())
    whole = path.stat().st_size
    Ledger(path).append(entry(public_id="s2"))
    with path.open("r+b") as file:
        file.truncate(max(whole, path.stat().st_size - cut))

    torn = Ledger(path)
    assert torn.get("s1") == entry()
    assert torn.get("s2") is None
    torn.append(entry(public_id="s3"))

    assert Ledger(path).get("s3") == entry(public_id="s3")


def test_a_damaged_line_in_the_middle_is_named(tmp_path):
    path = tmp_path / "ledger.jsonl"
    Ledger(path).append(entry())
    path.write_bytes(b"nonsense\n" + path.read_bytes())

    with pytest.raises(WorkspaceError, match="line 1 is damaged"):
        Ledger(path)


def test_a_line_of_another_version_is_named_and_not_taken_for_anything(tmp_path):
    path = tmp_path / "ledger.jsonl"
    Ledger(path).append(entry())
    path.write_bytes(path.read_bytes().replace(b'"done"', b'"postponed"'))

    with pytest.raises(WorkspaceError, match="another version") as error:
        Ledger(path)

    assert "Use the version" in error.value.hint
