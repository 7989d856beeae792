"""What importing the room costs."""

import subprocess
import sys


def test_no_heavy_library_is_loaded() -> None:
    code = (
        "import sys, fimserve.prompt as p; p.load_format('fimserve'); "
        "print(sorted({'torch', 'transformers', 'tokenizers', 'numpy'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
