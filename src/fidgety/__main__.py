"""``python -m fidgety`` is ``fidgety``: what launchers such as torchrun start."""

from fidgety.cli import main

if __name__ == "__main__":
    main()
