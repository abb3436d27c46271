"""Runs pkilint over files: lint.py BIN-DIRECTORY FILE... prints the findings that lib/findings.py judges.

`.pem` is a certificate, `.crl` a CRL, `.ocsp` an OCSP response. What is only information is left out.
"""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

TOOLS = {
    ".pem": ["lint_pkix_cert", "lint"],
    ".crl": ["lint_crl", "lint", "-t", "CRL", "-p", "PKIX"],
    ".ocsp": ["lint_ocsp_response", "lint"],
}


def lint(directory, path):
    tool, *arguments = TOOLS[os.path.splitext(path)[1]]
    command = [os.path.join(directory, tool), *arguments, "-s", "NOTICE", "-f", "JSON", path]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    try:
        results = json.loads(done.stdout)["results"]
    except (ValueError, KeyError):
        last = (done.stderr.strip().splitlines() or ["no output"])[-1]
        return [{"file": path, "code": "unreadable", "severity": "FATAL", "detail": last}]
    return [
        {"file": path, "code": found["code"], "severity": found["severity"], "detail": found["message"]}
        for result in results
        for found in result["finding_descriptions"]
    ]


def main():
    directory, paths = sys.argv[1], sys.argv[2:]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        findings = [f for found in pool.map(lambda path: lint(directory, path), paths) for f in found]
    json.dump({"files": [{"file": path} for path in paths], "findings": findings}, sys.stdout, indent=1)


main()
