"""Write the Grafana dashboards of install/dashboards, out of the tables of tools/dashboards.

python -m tools.generate_dashboards            # make generate
python -m tools.generate_dashboards --check    # exit 1 when a file is stale (CI)
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Final

from tools.dashboards import agent, flows, operator
from tools.dashboards.layout import Dashboard

TARGET: Final = Path(__file__).parent.parent / "install/dashboards"

DASHBOARDS: Final[dict[str, Dashboard]] = {
    "ciliate-agent.json": agent.DASHBOARD,
    "ciliate-operator.json": operator.DASHBOARD,
    "hubble-flows.json": flows.DASHBOARD,
}


def rendered() -> dict[Path, str]:
    """Return each file and what is to be in it."""
    return {
        TARGET / name: json.dumps(dashboard.as_json(), indent=1, ensure_ascii=False) + "\n"
        for name, dashboard in DASHBOARDS.items()
    }


def stale() -> list[Path]:
    """Return the files that are missing, or other than the tables say."""
    return [
        path
        for path, text in rendered().items()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    ]


def main() -> None:
    """Write the files, or check them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when stale")
    if parser.parse_args().check:
        if found := stale():
            sys.exit(f"stale: {' '.join(map(str, found))}: run `make generate`")
        return
    TARGET.mkdir(parents=True, exist_ok=True)
    for path, text in rendered().items():
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
