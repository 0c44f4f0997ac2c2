#!/usr/bin/env python3
"""Runs clang-tidy over several sources of one folder at a time: nearly all of its time goes into headers of Boost and
the standard library, which are then read once for all of them. Called by scripts/lint.
  lint_together.py TIDY DATABASE-FOLDER FILE …      exits 1 when something is found"""

import collections
import concurrent.futures
import json
import os
import pathlib
import shlex
import subprocess
import sys
import tempfile

TOGETHER = 8  # more saves little, and shares less well between cores
# clang 16's analyzer loses track of coroutine frames and then accuses Asio's awaitable.hpp; the other checks do not.
WITHOUT_ANALYZER = "--checks=-clang-analyzer-*"


def groups_of(database, files):
    """Sources of one folder that are compiled with the same flags, coroutines apart from the rest."""
    wanted = {os.path.abspath(f) for f in files}
    found = collections.OrderedDict()
    for entry in database:
        source = entry["file"]
        if source not in wanted:
            continue
        wanted.discard(source)  # a source of two targets is read once
        words = shlex.split(entry["command"])
        flags = tuple(words[1 : words.index("-o")])
        coroutines = "co_await" in pathlib.Path(source).read_text()
        key = (os.path.dirname(source), entry["directory"], flags, coroutines)
        found.setdefault(key, []).append(source)
    return found, wanted


def lint(tidy, folder, key, sources):
    """-> what clang-tidy printed, or nothing when it is content."""
    _, directory, flags, coroutines = key
    with tempfile.TemporaryDirectory(dir=folder) as here:
        unit = os.path.join(here, "unit.cpp")
        pathlib.Path(unit).write_text(
            "".join(f'#include "{s}" // NOLINT(bugprone-suspicious-include)\n' for s in sources)
        )
        command = [shlex.quote(w) for w in ("clang++", *flags, "-c", unit)]
        pathlib.Path(here, "compile_commands.json").write_text(
            json.dumps([{"directory": directory, "file": unit, "command": " ".join(command)}])
        )
        call = [tidy, "--quiet", "-p", here, *([WITHOUT_ANALYZER] if coroutines else []), unit]
        ran = subprocess.run(call, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if ran.returncode == 0:
        return ""
    # Two sources may give one name to two things of their own, or shadow each other's: then they are read apart.
    if "[clang-diagnostic-" in ran.stdout and len(sources) > 1:
        half = len(sources) // 2
        return lint(tidy, folder, key, sources[:half]) + lint(tidy, folder, key, sources[half:])
    return ran.stdout or f"{tidy} failed over {' '.join(sources)}\n"


def main():
    tidy, folder, *files = sys.argv[1:]
    database = json.loads(pathlib.Path(folder, "compile_commands.json").read_text())
    groups, unknown = groups_of(database, files)
    for source in sorted(unknown):
        print(f"{source}: no target compiles it, so it is not linted", file=sys.stderr)
    found = False
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        runs = []
        for key, sources in groups.items():
            for first in range(0, len(sources), TOGETHER):
                runs.append(pool.submit(lint, tidy, folder, key, sources[first : first + TOGETHER]))
        for run in concurrent.futures.as_completed(runs):
            if run.result():
                found = True
                print(run.result(), end="", flush=True)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
