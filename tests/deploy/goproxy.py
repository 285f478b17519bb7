#!/usr/bin/env python3
"""Writes a Go module proxy with one tiny module, so that the image's Go stage can run where no proxy serves forgejo-mcp.

goproxy.py FOLDER MODULE VERSION

`go install MODULE@VERSION` with GOPROXY=file://FOLDER then makes a program that prints its version. It proves how the stage
works, nothing about forgejo-mcp.
"""

import io
import json
import pathlib
import re
import sys
import zipfile

PROGRAM = 'package main\n\nimport "fmt"\n\nfunc main() { fmt.Println("forgejo-mcp version VERSION") }\n'


def main():
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    folder, module, version = sys.argv[1:]
    escaped = re.sub("[A-Z]", lambda letter: "!" + letter.group().lower(), module)
    place = pathlib.Path(folder, escaped, "@v")
    place.mkdir(parents=True, exist_ok=True)
    manifest = f"module {module}\n\ngo 1.21\n"
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as zipped:
        for name, text in {
            "go.mod": manifest,
            "main.go": PROGRAM.replace("VERSION", version),
            "LICENSE": "A stand-in's licence.\n",
        }.items():
            zipped.writestr(f"{module}@{version}/{name}", text)
    (place / f"{version}.zip").write_bytes(archive.getvalue())
    (place / f"{version}.mod").write_text(manifest)
    (place / f"{version}.info").write_text(json.dumps({"Version": version, "Time": "2026-01-01T00:00:00Z"}))
    (place / "list").write_text(version + "\n")


main()
