"""Run every measurement and print one table each."""

from __future__ import annotations

from bench import delivery, imports

if __name__ == "__main__":
    imports.main()
    delivery.main()
