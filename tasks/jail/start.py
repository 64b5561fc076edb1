"""Where a jail begins: `python -I -S tasks/jail/start.py FD`.

Neither the current folder nor anybody's site-packages can put a module in the way of ours: the standard
library comes first, then this project's own folder.
"""

import os
import sys

if __name__ == "__main__":
    sys.path.append(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))  # noqa: PTH100, PTH120
    from tasks.jail.program import main

    main(sys.argv[1:])
