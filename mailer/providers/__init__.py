"""One provider, one file: a payload out, an answer in, no I/O."""
