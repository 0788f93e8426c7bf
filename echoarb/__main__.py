"""``python -m echoarb``."""

from echoarb.cli import main

if __name__ == "__main__":
    main()
