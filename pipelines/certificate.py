"""What a run did to take the identity away, signed with the workspace's key.

`private/certificate.json` for programs and `private/certificate.md` for people. Both follow from
the ledgers, the settings and the proof: no clock, no host, no path.
"""

import hashlib
import hmac
import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from pipelines import anonymize
from pipelines.chain import ANONYMIZE
from pipelines.core.anonymize_settings import AnonymizeSettings
from pipelines.core.codec import canonical_json, digest, to_jsonable
from pipelines.core.model import Decision, Deidentified, Excluded
from pipelines.explanation import explain
from pipelines.io.disk import sha256_of, write_whole
from pipelines.io.keys import read_key
from pipelines.io.workspace import Workspace
from pipelines.proof import Proof
from pipelines.standing import Standing, State, record_of

NAME = "certificate"
CANARY_NAME = "canary.json"
PROFILE = ("113100", "Basic Application Confidentiality Profile")
"""PS3.16 CID 7050."""

FINGERPRINT_LABEL, SIGNATURE_LABEL = b"key fingerprint\0mosmed", b"certificate\0"

_COUNTS = re.compile(r"elements: ([^;]*)")
_COUNT = re.compile(r"(.+) (\d+)")
_OBJECTS = re.compile(r"(\d+)(?: of \d+)? objects")


def write_certificate(
    workspace: Workspace,
    settings: AnonymizeSettings,
    trails: Iterable[list[Standing]],
    proof: Proof,
) -> dict[str, Any]:
    """Write the certificate of what stands in the ledgers now; gives what it says."""
    assert settings.key is not None
    key = read_key(settings.key)
    said = {
        **rules_told(settings),
        "key_fingerprint": hmac.new(key, FINGERPRINT_LABEL, hashlib.sha256).hexdigest(),
        **work_told(trails),
        "proof": to_jsonable(proof),
        "canary": _canary(workspace, settings),
    }
    said["signature"] = signature(said, key)
    for name, text in ((f"{NAME}.json", canonical_json(said) + "\n"), (f"{NAME}.md", page(said))):
        write_whole(workspace.private / name, text.encode(), mode=0o600)
    return said


def signature(said: Mapping[str, Any], key: bytes) -> str:
    """The HMAC-SHA256 of all that a certificate says but the signature itself."""
    text = canonical_json({name: value for name, value in said.items() if name != "signature"})
    return hmac.new(key, SIGNATURE_LABEL + text.encode(), hashlib.sha256).hexdigest()


def rules_digest(settings: AnonymizeSettings) -> str:
    """A digest of what is done to every attribute, and of the recipes that say so."""
    recipes = [sha256_of(path) for path in settings.recipes]
    return digest(anonymize.VERSION, explain(settings), recipes)


def rules_told(settings: AnonymizeSettings) -> dict[str, Any]:
    """The profile with its options, what a site keeps beyond it, and digests of the rules."""
    rules = anonymize.rules_of(settings)
    codes = (() if rules.loosened else (PROFILE,)) + tuple(rules.options.codes)
    return {
        "profile": [{"code": code, "meaning": meaning} for code, meaning in codes],
        "loosened": list(rules.loosened),
        "rules_sha256": rules_digest(settings),
        "recipes_sha256": [sha256_of(path) for path in settings.recipes],
    }


def work_told(trails: Iterable[list[Standing]]) -> dict[str, Any]:
    """Studies by state, objects, and elements by action, as the ledger of the stage has them."""
    states: Counter[str] = Counter()
    counts: Counter[str] = Counter()
    left_out: Counter[str] = Counter()
    versions: dict[str, set[str]] = defaultdict(set)
    instances = 0
    for standing in (one for trail in trails for one in trail if one.stage is ANONYMIZE):
        states[standing.state.value] += 1
        if standing.entry is None or standing.state in (State.PENDING, State.FAILED):
            continue
        value: Deidentified | Excluded = record_of(standing.entry, ANONYMIZE)
        counts += _actions_of(value.decisions)
        left_out += _left_out(value.decisions)
        instances += value.instances if isinstance(value, Deidentified) else 0
        for name, version in standing.entry.versions.items():
            versions[name].add(version)
    return {
        "versions": {name: sorted(found) for name, found in sorted(versions.items())},
        "studies": dict(sorted(states.items())),
        "objects": instances,
        "objects_left_out": dict(sorted(left_out.items())),
        "elements": dict(sorted(counts.items())),
    }


def _actions_of(decisions: Iterable[Decision]) -> Counter[str]:
    """How many elements met each action, out of the decision in which the stage says so."""
    counts: Counter[str] = Counter()
    for decision in decisions:
        found = _COUNTS.match(decision.outcome) if decision.rule == "profile" else None
        for part in found[1].split(", ") if found else ():
            if match := _COUNT.fullmatch(part):
                counts[match[1]] += int(match[2])
    return counts


def _left_out(decisions: Iterable[Decision]) -> Counter[str]:
    counts: Counter[str] = Counter()
    for decision in decisions:
        match = _OBJECTS.fullmatch(decision.value)
        if match and decision.outcome.startswith("left out"):
            counts[decision.rule] += int(match[1])
    return counts


def _canary(workspace: Workspace, settings: AnonymizeSettings) -> dict[str, Any] | None:
    """The score of the last `mosmed canary`, if it was under the rules that hold now."""
    path = workspace.private / CANARY_NAME
    if not path.exists():
        return None
    said: dict[str, Any] = json.loads(path.read_bytes())
    return said if said["rules_sha256"] == rules_digest(settings) else None


def write_canary(workspace: Workspace, said: Mapping[str, Any]) -> None:
    """Keep the score of a canary run for the next certificate."""
    content = (canonical_json(said) + "\n").encode()
    write_whole(workspace.private / CANARY_NAME, content, mode=0o600)


# --- the page for people


def page(said: Mapping[str, Any]) -> str:
    """The certificate as a page of Markdown."""
    proof, canary = said["proof"], said["canary"]
    profile = [f"{one['meaning']} ({one['code']}, DCM)" for one in said["profile"]]
    found = len(proof["findings"])
    lines = [
        "# De-identification certificate",
        "",
        *_list("Confidentiality profile and options (PS3.15 Annex E, PS3.16 CID 7050)", profile),
        *_list("Attributes the site keeps beyond the profile", said["loosened"]),
        *_table("Studies at anonymize", said["studies"]),
        *_table(f"Elements by action, in {said['objects']} objects", said["elements"]),
        *_table("Objects left out, by rule", said["objects_left_out"]),
        *_table("Files of the dataset looked into, by kind", proof["files"]),
        f"{proof['values']} identifying values were looked for in every name and every byte but the"
        f" voxels ({proof['by_right']} more stand in every dataset); {found} findings.",
        "",
        f"Canaries: {canary['removed'] + canary['caught']} of {canary['planted']} removed or caught"
        f" ({canary['score_percent']} %)." if canary else "Canaries: not run under these rules.",
        "",
        *_list(
            "Digests",
            [
                f"rules: {said['rules_sha256']}",
                *(f"recipe: {one}" for one in said["recipes_sha256"]),
                f"key: {said['key_fingerprint']}",
                f"signature of the JSON: {said['signature']}",
            ],
        ),
        *_list("Software", [f"{name} {', '.join(v)}" for name, v in said["versions"].items()]),
    ]  # fmt: skip
    return "\n".join(lines)


def _list(title: str, items: Iterable[str]) -> list[str]:
    lines = [f"- {item}" for item in items]
    return [f"## {title}", "", *(lines or ["- none"]), ""]


def _table(title: str, counts: Mapping[str, int]) -> list[str]:
    if not counts:
        return _list(title, [])
    rows = [f"| {name} | {count} |" for name, count in counts.items()]
    return [f"## {title}", "", "| | |", "|---|---|", *rows, ""]
