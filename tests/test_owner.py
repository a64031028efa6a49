"""What only the owner may do: tell who a study is of, and withdraw it so that nothing is left."""

import hashlib
import hmac
import json
import shutil

import pytest

from pipelines import forgetting
from pipelines.certificate import signature
from pipelines.io.json_lines import append_line, read_lines
from pipelines.io.tables import read_table
from tests.workspaces import KEY, SAMPLE, contents, make_workspace, mosmed, mosmed_json


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    root = make_workspace(tmp_path_factory.mktemp("owner") / "w", studies=3)
    mosmed("run", "-w", root, "--jobs", 2)
    return root


@pytest.fixture
def root(published, tmp_path):
    shutil.copytree(published, tmp_path / "w")
    return tmp_path / "w"


def audit(root):
    """What the owner has done since the draw."""
    lines = read_lines(root / "private" / "audit.jsonl")
    return [line for line in lines if not line["what"].startswith("select")]


def identity_of(root, number=2):
    return mosmed_json("reidentify", number, "-w", root)


def values_of(identity):
    """What the RIS says of the patient, apart from mosmed."""
    for _, row in read_table(SAMPLE / "ris_export.xlsx").rows:
        if row["Номер исследования"] == identity["accession_number"]:
            titles = ("Номер исследования", "UID исследования", "ID пациента", "ФИО пациента")
            return {str(row[title]) for title in titles if row[title]}
    raise AssertionError


# --- reidentify


def test_the_owner_learns_who_a_published_study_is_of(root):
    identity = identity_of(root, "study_0002")

    assert identity["accession_number"] in values_of(identity)
    assert identity["study_file"].endswith("study_0002.nii.gz")
    assert identity_of(root, identity["public_id"]) == identity


def test_who_asked_is_noted_without_the_identity(root):
    identity = identity_of(root)

    (line,) = audit(root)
    assert (line["what"], line["public_id"]) == ("reidentify", identity["public_id"])
    assert set(line) == {"who", "host", "when", "what", "public_id", "previous"}
    text = (root / "private" / "audit.jsonl").read_text()
    assert not any(value in text for value in values_of(identity))
    assert (root / "private" / "audit.jsonl").stat().st_mode & 0o077 == 0


def test_a_study_nobody_knows_is_told_so_and_not_noted(root):
    result = mosmed("reidentify", "study_9999", "-w", root)

    assert result.exit_code == 2
    assert audit(root) == []


# --- forget


def test_without_yes_nothing_happens(root):
    before = contents(root)

    result = mosmed("forget", 2, "-w", root)

    assert "add --yes" in result.output
    assert contents(root) == before


def test_nothing_of_a_forgotten_study_is_left_in_the_workspace(root):
    identity = identity_of(root)
    values = values_of(identity)

    result = mosmed("forget", 2, "-w", root, "--yes")
    mosmed("run", "-w", root, "--jobs", 1)

    assert result.exit_code == 0, result.output
    assert "copies already given away" in result.output
    assert not list(root.rglob(identity["public_id"]))
    index = [name for name in contents(root) if name.startswith("private/archive/")]
    for name, content in contents(root).items():
        if name not in index:  # the index says what the PACS folder holds, which is not ours
            assert not any(value.encode() in content for value in values), name
    table = [row for _, row in read_table(root / "private" / "linkage.xlsx").rows]
    assert len(table) == 3
    assert not any(str(value) in str(table) for value in values)


def test_a_reserve_takes_the_place_and_no_study_is_lost_from_the_account(root):
    gone = identity_of(root)["public_id"]
    before = mosmed_json("status", "-w", root)

    mosmed("forget", gone, "-w", root, "--yes")
    report = mosmed_json("run", "-w", root, "--jobs", 1)

    assert report["published"] == 3
    assert report["opened"] > before["opened"]
    out = {r["code"]: r["studies"] for s in report["stages"] for r in s["reasons"]}
    assert out["forgotten"] == [gone]
    assert report["opened"] == 3 + sum(map(len, out.values()))


def test_a_forgotten_study_is_never_drawn_again(root):
    gone = identity_of(root)["public_id"]
    mosmed("forget", gone, "-w", root, "--yes")

    for seed in ("another", "20200301"):
        mosmed("select", "-w", root, "--seed", seed, "--studies", 6)
        mosmed("run", "-w", root, "--jobs", 1)

        assert not list(root.rglob(gone))
    assert "withdrawn" in mosmed("reidentify", gone, "-w", root).output


@pytest.mark.parametrize("broken", ["run.sweep", "selection.blank", "owner.write_linkage"])
def test_killed_in_the_middle_the_next_run_finishes_the_removal(root, monkeypatch, broken):
    identity = identity_of(root)

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(f"pipelines.{broken}", killed)
        mosmed("forget", 2, "-w", root, "--yes")
    mosmed("run", "-w", root, "--jobs", 1)

    assert not list(root.rglob(identity["public_id"]))
    (line,) = read_lines(root / "private" / "forgotten.jsonl")
    assert line == {"public_id": identity["public_id"]}
    candidates = (root / "private" / "select" / "selection" / "candidates.json").read_text()
    assert not any(value in candidates for value in values_of(identity))
    linkage = str([row for _, row in read_table(root / "private" / "linkage.xlsx").rows])
    assert not any(value in linkage for value in values_of(identity))


def test_who_was_published_from_an_earlier_draw_stays_known_when_another_is_forgotten(
    root, monkeypatch
):
    path = root / "private" / "linkage.xlsx"
    before = [row for _, row in read_table(path).rows]
    monkeypatch.setenv("MOSMED_SELECT_RESERVES", "0")
    mosmed("select", "-w", root, "--studies", 1)
    drawn = json.loads((root / "private/select/selection/candidates.json").read_text())
    gone = drawn[0]["public_id"]

    result = mosmed("forget", gone, "-w", root, "--yes", "--json")

    assert result.exit_code == 0, result.output
    after = [row for _, row in read_table(path).rows]
    assert after == [row for row in before if row["public_id"] != gone]
    assert len(after) >= 2


def test_a_ris_may_hold_texts_of_any_length(root):
    long = "A" * 200_000
    with (root / "private/select/selection/excluded.csv").open("a", newline="") as file:
        file.write(f"9999,{long},modality,MG,not CT\r\n")

    (step,) = mosmed_json("why", "row 9999", "-w", root)["way"]
    assert (step["rule"], step["value"], step["outcome"]) == ("modality", "MG", "not CT")
    assert mosmed_json("why", f" {long.lower()}", "-w", root)["way"] == [step]
    assert mosmed("forget", 2, "-w", root, "--yes").exit_code == 0
    assert mosmed_json("why", "row 9999", "-w", root)["way"] == [step]
    assert mosmed("why", " ", "-w", root).exit_code == 2


def test_forgetting_twice_is_the_same_as_once(root):
    gone = identity_of(root)["public_id"]
    mosmed("forget", gone, "-w", root, "--yes")
    before = contents(root / "private" / "select" / "selection")

    again = mosmed("forget", gone, "-w", root, "--yes")

    assert again.exit_code == 0
    assert contents(root / "private" / "select" / "selection") == before
    assert len(read_lines(root / "private" / "forgotten.jsonl")) == 1


def test_a_damaged_record_of_forgotten_studies_stops_everything(root):
    (root / "private" / "forgotten.jsonl").write_text('nonsense\n{"public_id":"s1"}\n')

    result = mosmed("run", "-w", root)

    assert result.exit_code == 1
    assert "line 1 is damaged" in result.output


def test_a_torn_line_is_cut_off_before_the_next(tmp_path):
    path = tmp_path / "lines.jsonl"
    append_line(path, {"a": "1"})
    with path.open("ab") as file:
        file.write(b'{"a":')

    assert read_lines(path) == [{"a": "1"}]
    append_line(path, {"a": "2"})

    assert read_lines(path) == [{"a": "1"}, {"a": "2"}]
    assert forgetting.RULE == "forgotten"


# --- the certificate


def test_the_certificate_is_signed_and_the_same_for_the_same_run(root, published, tmp_path):
    text = (root / "private" / "certificate.json").read_text()
    said = json.loads(text)

    assert said["signature"] == signature(said, bytes.fromhex(KEY))
    assert said["signature"] != signature({**said, "objects": 1}, bytes.fromhex(KEY))
    key = hmac.new(bytes.fromhex(KEY), b"key fingerprint\0mosmed", hashlib.sha256).hexdigest()
    assert said["key_fingerprint"] == key
    assert KEY not in text
    other = make_workspace(tmp_path / "elsewhere", studies=3)
    mosmed("run", "-w", other, "--jobs", 1)
    assert (other / "private" / "certificate.json").read_text() == text
    assert (root / "private" / "certificate.json").stat().st_mode & 0o077 == 0


def test_the_certificate_counts_what_the_ledger_counts(root):
    said = json.loads((root / "private" / "certificate.json").read_text())
    files = list((root / "work" / "anonymize").glob("s*/*.dcm"))

    assert said["objects"] == len(files)
    assert said["elements"]["pseudonym"] == 2 * len(files)
    assert said["studies"]["done"] == len({path.parent for path in files})
    kinds = said["proof"]["files"]
    published = [path for path in (root / "dataset").rglob("*") if path.is_file()]
    assert sum(kinds.values()) - kinds["empty folder"] == len(published)
    assert kinds["nii.gz"] == len([path for path in published if path.suffix == ".gz"])
    assert [one["code"] for one in said["profile"]] == ["113100", "113108"]
