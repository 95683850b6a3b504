"""Discovery of 100,000 files, and checking an unchanged tree of 10,000 photos.

python benchmarks/unchanged.py
"""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path

from measure import MMSEARCH, markdown, run

from mmsearch.media.discover import discover
from mmsearch.testing import make_photo

PHOTOS = 10_000
FILES = 100_000
PER_FOLDER = 100


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        photo = make_photo(root / "one.png", "red", size=(8, 8)).read_bytes()
        for number in range(PHOTOS):
            place = root / "photos" / f"{number // PER_FOLDER:04}"
            place.mkdir(parents=True, exist_ok=True)
            # Bytes after the end of a PNG are ignored: each file has content of its own.
            (place / f"{number}.png").write_bytes(photo + str(number).encode())
        for number in range(FILES):
            place = root / "many" / f"{number // PER_FOLDER:04}"
            place.mkdir(parents=True, exist_ok=True)
            (place / f"{number}.jpg").touch()

        started = time.perf_counter()
        found = sum(1 for _ in discover(root / "many"))
        discovery = time.perf_counter() - started

        command = [*MMSEARCH, "index", str(root / "photos"), "--index", f"{folder}/index"]
        first = run([*command, "--model", "testing", "--json"])
        second = run([*command, "--json"])
    report = json.loads(second.output)
    print(
        markdown(
            ["", "value"],
            [
                [
                    f"discovery of {found} files in {FILES // PER_FOLDER} folders",
                    f"{discovery:.2f} s",
                ],
                [f"first run over {PHOTOS} tiny photos (testing)", f"{first.seconds:.1f} s"],
                [
                    f"second run, {report['unchanged']} unchanged: the run",
                    f"{report['seconds']:.2f} s",
                ],
                ["second run: the whole command", f"{second.seconds:.2f} s"],
            ],
        )
    )


if __name__ == "__main__":
    main()
