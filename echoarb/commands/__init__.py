"""One file per command of ``echoarb``."""
