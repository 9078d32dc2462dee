"""Private services on this machine: on 127.0.0.1 only, in one directory each, and nothing left running."""
