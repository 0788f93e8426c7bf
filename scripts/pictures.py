"""Draw docs/pictures/*.svg from a running stack: what `echoarb top` shows, tab by tab.

make up                     (in another terminal, for some minutes)
python scripts/pictures.py [URL] [FOLDER]
"""

from __future__ import annotations

import asyncio
import re
import sys
from pathlib import Path

from echoarb.top.api_source import ApiSource
from echoarb.top.board import Board
from echoarb.top.screen import Top
from echoarb.top.sheets import SHEETS

FONTS = re.compile(r"@font-face \{.*?\}", re.DOTALL)


async def draw(url: str, folder: Path) -> None:
    """Write a picture of each tab but gaps."""
    app = Top(ApiSource(url, {}), Board())
    async with app.run_test(size=(168, 26)) as pilot:
        await asyncio.sleep(8)  # names come after the first ticks
        for number, sheet in enumerate(SHEETS, 1):
            await pilot.press(str(number))
            await asyncio.sleep(1.5)
            if sheet.name != "gaps":
                drawn = FONTS.sub("", app.export_screenshot())  # they would be fetched from afar
                (folder / f"top-{sheet.name}.svg").write_text(drawn, encoding="utf-8")


if __name__ == "__main__":
    arguments = [*sys.argv[1:], *("http://127.0.0.1:8000", "docs/pictures")[len(sys.argv) - 1 :]]
    asyncio.run(draw(arguments[0], Path(arguments[1])))
