"""What an import costs, in a fresh process."""

from __future__ import annotations

import json
import os
import subprocess
from functools import partial
from statistics import median

from ..environments import ROOT, python
from ..measure import Failure, Sample
from ..row import Goal, Row

_REPEATS = 5
_UNWANTED = ("asyncio", "urllib3", "http.server")
_PROGRAM = """
import json, sys, time
before = time.process_time()
import {module}
spent = time.process_time() - before
print(json.dumps([spent, [name for name in {unwanted} if name in sys.modules]]))
"""


def _import(environment: str, module: str) -> Sample:
    program = _PROGRAM.format(module=module, unwanted=_UNWANTED)
    variables = {**os.environ, "PYTHONPATH": str(ROOT) if environment == "sdk" else ""}
    times, unwanted = [], []
    for _ in range(_REPEATS):
        done = subprocess.run(
            [python(environment), "-c", program], capture_output=True, text=True, env=variables, check=False
        )
        if done.returncode:
            raise Failure(done.stderr.strip()[-400:])
        spent, unwanted = json.loads(done.stdout)
        times.append(spent)
    return {"import": median(times), "unwanted": float(len(unwanted))}


ROWS = [
    Row(
        "import",
        "Import, in a fresh process",
        {
            "sdk": partial(_import, "sdk", "arinova_agent_sync"),
            "websocket": partial(_import, "wsc", "websocket"),
            "websocket and msgspec": partial(_import, "sdk", "websocket, msgspec"),
            "seed": partial(_import, "seed", "arinova_agent"),
        },
        [
            Goal("CPU", "import", "websocket", 1.4),
            Goal("CPU", "import", "seed", 0.65),
            Goal("of asyncio, urllib3, http.server", "unwanted", "seed", 0, unit=""),
        ],
        compare=("import", "websocket"),
    ),
]
