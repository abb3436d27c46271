"""Judges a linter's findings: findings.py [JUDGE/]LINTER FINDINGS.json

FINDINGS.json is {"files": [{"file", "applied"}], "findings": [{"file", "code", "severity", "detail"}]}.
`allowed.txt` beside this file has a line `LINTER FILE-PATTERN CODE because ARGUMENT` per finding that is right as it is. A
permission that is about a file here and that no finding uses fails, so that the list stays true; so does a file to which
no lint applied.
"""

import fnmatch
import json
import os
import sys


ALLOWED = os.path.join(os.path.dirname(os.path.abspath(__file__)), "allowed.txt")


def permissions(linter):
    with open(ALLOWED, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            line = line.strip()
            if not line or line.startswith("#"):
                continue
            parts = line.split(None, 4)
            if len(parts) != 5 or parts[3] != "because":
                sys.exit(f"{ALLOWED}:{number}: expected LINTER FILE-PATTERN CODE because ARGUMENT")
            if parts[0] == linter:
                yield parts[1], parts[2]


def main():
    judge, findings_path = sys.argv[1:3]
    allowed = list(permissions(judge.rsplit("/", 1)[-1]))
    with open(findings_path, encoding="utf-8") as file:
        report = json.load(file)
    used, seen, failed = set(), set(), False
    for entry in report["files"]:
        name = entry["file"].rsplit("/", 1)[-1]
        seen.update(p for p in allowed if fnmatch.fnmatchcase(name, p[0]))
        open_findings = []
        for finding in (f for f in report["findings"] if f["file"] == entry["file"]):
            matching = [p for p in allowed if p[1] == finding["code"] and fnmatch.fnmatchcase(name, p[0])]
            used.update(matching)
            if not matching:
                open_findings.append(f"{finding['severity']} {finding['code']} {finding.get('detail') or ''}".strip())
        if entry.get("applied", 1) == 0:
            open_findings.append("no lint applied to it")
        if open_findings:
            failed = True
            print(f"FAIL {judge}/{name} {'; '.join(open_findings)}")
        else:
            print(f"ok {judge}/{name}")
    for pattern, code in allowed:
        if (pattern, code) in seen and (pattern, code) not in used:
            failed = True
            print(f"FAIL {judge}/allowed-list {pattern} {code} is allowed, but nothing was found: remove the line")
    sys.exit(1 if failed else 0)


main()
