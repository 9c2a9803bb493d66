"""Broken and hostile submissions: what is handed in, and what the row in the CSV must say.

Each case is (file name, content, points or None for full marks, a fragment of the row).
"""

import io
import json
import zipfile
from pathlib import Path

from problems.frame import sets
from problems.frame.sandbox import ROOT

NAME = "signal"


def notebook(*cells, student="s1000001", **more):
    """A notebook that names its ID and then runs these cells."""
    numbers = f'own = rl.coursework.numbers("{NAME}", STUDENT_ID, course="c")'
    head = f'import rmtlab as rl\nSTUDENT_ID = "{student}"\n{numbers}'
    held = [{"cell_type": "code", "metadata": {}, "source": source} for source in (head, *cells)]
    return json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": held, **more}).encode()


def right(student, **changes):
    """The right answers of a student, as the bytes of a notebook."""
    held = json.loads(json.dumps(sets.answered(NAME, student)))
    return json.dumps({**held, **changes}).encode()


def with_cells(student, *cells):
    """The right answers, and then these cells."""
    held = json.loads(right(student))
    held["cells"] += [{"cell_type": "code", "metadata": {}, "source": source} for source in cells]
    return json.dumps(held).encode()


def damaged(student):
    """The right answers with every metadata that there is destroyed."""
    held = json.loads(right(student))
    for cell in held["cells"]:
        cell["metadata"] = None
        cell["id"] = "same"
    return json.dumps({**held, "metadata": {"otter": 3, "kernelspec": []}, "nbformat": "four"}).encode()


def half(student):
    """The stubs from the middle on, and a syntax error."""
    solved, stubs = sets.answered(NAME, student).cells, sets.untouched(NAME, student).cells
    code = (
        [cell.source for cell in solved[:4]]
        + ["def broken(:"]
        + [cell.source for cell in stubs if cell.cell_type == "code" and "c_theory" in cell.source]
    )
    return json.dumps({"cells": [{"cell_type": "code", "source": source} for source in code]}).encode()


def old_format(student):
    """The right answers in version 3 of the format."""
    cells = [{"cell_type": "code", "input": [cell.source]} for cell in sets.answered(NAME, student).cells]
    return json.dumps({"nbformat": 3, "worksheets": [{"cells": cells}]}).encode()


def timed(student):
    """The right answers, each cell under a magic that times it."""
    held = json.loads(right(student))
    for cell in held["cells"]:
        if cell["cell_type"] == "code":
            cell["source"] = "%%time\n" + "".join(cell["source"])
    return json.dumps(held).encode()


def torn(student):
    """A zip file whose compressed bytes are damaged."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("work.ipynb", right(student))
    whole = bytearray(data.getvalue())
    whole[60:200] = bytes(255 - byte for byte in whole[60:200])
    return bytes(whole)


def zipped(**files):
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for name, content in files.items():
            archive.writestr(f"{name}.ipynb", content)
    return data.getvalue()


def cases(victim: Path):
    """The table. `victim` is a folder that submissions try to destroy."""
    fake = json.dumps({"answer": "q_star", "found": {"shape": [], "numbers": "AAAAAAAA8D8="}})
    faking = f"import os\nfake = {fake!r}.encode()\nfor d in range(3, 99):\n"
    faking += " try: os.write(d, fake + b'\\n')\n except OSError: pass\nos._exit(0)"
    patched = (
        "for name in dir(rl.signal):\n    setattr(rl.signal, name, lambda *a, **k: 1.0)\nq_star = chi = 1.0"
    )
    deep = b'{"cells": ' + b"[" * 200_000 + b"]" * 200_000 + b"}"
    return [
        ("s1000001_empty.ipynb", b"", 0, "The file is empty"),
        ("s1000002_blank.ipynb", b" \n\n ", 0, "The file is empty"),
        ("s1000003_cut.ipynb", right("s1000003")[:900], 0, "damaged"),
        ("s1000004_noise.ipynb", bytes(range(256)) * 40, 0, "not a"),
        ("s1000005_page.ipynb", b"<html><body>my answers</body></html>", 0, "not a notebook"),
        ("s1000006_list.ipynb", b"[1, 2, 3]", 0, "not a notebook"),
        ("s1000007_nothing.ipynb", b"{}", 0, "it has no cells"),
        ("s1000008_cells.ipynb", b'{"cells": {"a": 1}}', 0, "it has no cells"),
        ("s1000009_deep.ipynb", deep, 0, "nested too deeply"),
        ("s1000010_huge.ipynb", b" " * (20 * 2**20) + b"{}", 0, "larger than 20 MB"),
        ("s1000011_two.zip", zipped(a=b"{}", b=b"{}"), 0, "2 notebooks"),
        ("s1000012_one.zip", zipped(work=right("s1000012")), None, "All computed answers are right"),
        ("s1000013_essay.pdf", b"%PDF-1.7 \xff\xfe\x00", 0, "not a"),
        ("s1000014_prose.ipynb", b'{"cells": [{"cell_type": "markdown", "source": "42"}]}', 0, "no code"),
        (
            "s1000015_odd.ipynb",
            b'{"cells": [3, null, {"cell_type": "code", "source": {"a": 1}}]}',
            0,
            "no code",
        ),
        ("s1000016_metadata.ipynb", damaged("s1000016"), None, "All computed answers are right"),
        ("s1000017_old.ipynb", old_format("s1000017"), None, "All computed answers are right"),
        ("s1000018_utf16.ipynb", right("s1000018").decode().encode("utf-16"), None, "All computed answers"),
        ("final version (2).ipynb", right("s1000019"), None, "the notebook's was taken"),
        (
            "mine.ipynb",
            b'{"cells": [{"cell_type": "code", "source": "x = 1"}]}',
            0,
            "Whose it is cannot be told",
        ),
        ("s1000021_half.ipynb", half("s1000021"), 5, "SyntaxError"),
        ("s1000022_others.ipynb", right("s1000012"), 3, "draws the numbers of 's1000012'"),
        ("s1000023_loop.ipynb", notebook("while True: pass"), 0, "time was over"),
        (
            "s1000024_stubborn.ipynb",
            notebook("while True:\n try:\n  while True: pass\n except BaseException: pass"),
            0,
            "time was over",
        ),
        ("s1000025_late.ipynb", with_cells("s1000025", "while True: pass"), None, "Its time was over"),
        (
            "s1000026_memory.ipynb",
            notebook("x = []\nwhile True: x.append(bytearray(2**27))"),
            0,
            "more memory",
        ),
        (
            "s1000027_disk.ipynb",
            notebook("f = open('x', 'wb')\nwhile True: f.write(bytes(2**24))"),
            0,
            "OSError",
        ),
        ("s1000028_forks.ipynb", notebook("import os\nwhile True: os.fork()"), 0, "start or end processes"),
        (
            "s1000029_delete.ipynb",
            notebook(f"import shutil\nshutil.rmtree({str(victim)!r})"),
            0,
            "It tried to change",
        ),
        (
            "s1000030_quiet.ipynb",
            notebook(f"import os\nos.remove({str(victim / 'thesis.txt')!r})"),
            0,
            "may not change",
        ),
        (
            "s1000031_shell.ipynb",
            notebook(f"!rm -rf {victim}\nimport os\nos.system('rm -rf {victim}')"),
            0,
            "processes",
        ),
        (
            "s1000032_tests.ipynb",
            notebook(f"open({str(ROOT / 'problems' / NAME / 'grading.py')!r})"),
            0,
            "may not read",
        ),
        ("s1000033_import.ipynb", notebook("from problems.frame import judging"), 0, "Error"),
        (
            "s1000034_salt.ipynb",
            notebook("import os\nassert 'RMTLAB_SALT' in os.environ, 'no salt'"),
            0,
            "no salt",
        ),
        (
            "s1000035_network.ipynb",
            notebook("import urllib.request as u\nu.urlopen('http://192.0.2.1')"),
            0,
            "use the network",
        ),
        ("s1000036_exit.ipynb", notebook("import os\nos._exit(0)"), 0, "ended Python"),
        ("s1000037_leave.ipynb", with_cells("s1000037", "import sys\nsys.exit()"), None, "SystemExit"),
        (
            "s1000038_crash.ipynb",
            notebook("import ctypes\nctypes.string_at(0)"),
            0,
            "crashed Python",
        ),
        (
            "s1000039_parent.ipynb",
            notebook("import os, signal\nos.kill(os.getppid(), signal.SIGKILL)"),
            0,
            "processes",
        ),
        ("s1000040_patch.ipynb", notebook(patched), 0, "tolerance"),
        (
            "s1000041_fake.ipynb",
            notebook(faking),
            0,
            "ended Python",
        ),
        (
            "s1000042_types.ipynb",
            notebook("q_star, chi, c_theory = 'one', object(), [[1], [2, 3]]"),
            0,
            "numbers are asked for",
        ),
        ("s1000043_spin.ipynb", notebook("def variance_map(*a):\n while True: pass"), 0, "time was over"),
        (
            "s1000044_raise.ipynb",
            notebook("def variance_map(*a): raise ValueError('=cmd()')"),
            0,
            "ValueError",
        ),
        ("s1000046_history.ipynb", notebook(f"open({str(ROOT / '.git' / 'HEAD')!r})"), 0, "may not read"),
        ("s1000047_torn.zip", torn("s1000047"), 0, "cannot be read"),
        ("surrogate.ipynb", notebook(student="\\ud800"), 0, "Error"),
        ("s1000048_words.ipynb", notebook("raise ValueError('\\ud800')"), 0, "ValueError"),
        (
            "s1000049_blanks.ipynb",
            json.dumps(
                {"cells": [{"cell_type": "code", "source": "STUDENT_ID" + " " * 10**5 + "x"}]}
            ).encode(),
            0,
            "SyntaxError",
        ),
        ("s1000050_timed.ipynb", timed("s1000050"), None, "All computed answers are right"),
        ("s1000045_flood.ipynb", notebook("import os\nwhile True: print('x' * 10**6)"), 0, "time was over"),
    ]
