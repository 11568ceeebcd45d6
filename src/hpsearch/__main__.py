"""`python -m hpsearch`."""

import os
import sys

if __name__ == "__main__":
    # `python -m` searches the working folder first. Searched last, it still provides the user's own modules, but a file
    # named random.py or torch.py there shadows nothing.
    if not sys.flags.safe_path and sys.path[0] == os.getcwd():  # noqa: PTH109 (pathlib might be such a file)
        sys.path.append(sys.path.pop(0))
    from hpsearch.cli.main import main

    sys.exit(main())
