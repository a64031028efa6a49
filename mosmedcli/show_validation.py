"""What `mosmed validate` has found, to a terminal or to JSON. Imported only when needed."""

import sys
from collections import Counter

from rich.text import Text

from mosmedcli.options import Session
from mosmedcli.show import console
from mosmedcli.terminal import print_json, printable
from pipelines.core.checks import CHECKS, Finding, Severity
from pipelines.core.codec import to_jsonable
from pipelines.validation.dataset import Validation

SHOWN = 3
STYLES = {Severity.IDENTITY: "red bold", Severity.FAULT: "red", Severity.WARNING: "yellow"}


def report(session: Session, found: Validation) -> None:
    """The findings by code; ends the command with the exit status."""
    by_code: dict[str, list[Finding]] = {}
    for finding in found.findings:
        by_code.setdefault(finding.code, []).append(finding)
    if session.as_json:
        rows = [{"severity": one.severity, **to_jsonable(one)} for one in found.findings]
        counts = {code: len(group) for code, group in by_code.items()}
        told = {"files": found.files, "studies": found.studies, "counts": counts}
        print_json(told, findings=rows, exit_status=found.exit_status)
        sys.exit(found.exit_status)
    for code, group in by_code.items():
        _group(code, group)
    counted = Counter(one.severity for one in found.findings)
    said = ", ".join(f"{counted[severity]} {severity}" for severity in Severity)
    console().print(f"{found.files} files, {found.studies} studies: {said}")
    sys.exit(found.exit_status)


def _group(code: str, findings: list[Finding]) -> None:
    out, check = console(), CHECKS[code]
    head = (f"{check.severity} {code}", STYLES[check.severity])
    out.print(Text.assemble(head, f"  {check.meaning}"))
    for one in findings[:SHOWN]:
        out.print(printable(f"    {one.file}: {one.place}"))
    if len(findings) > SHOWN:
        out.print(f"    and {len(findings) - SHOWN} more")
    out.print(Text(f"    {check.hint}", "dim"))
