"""`python -m app` is `sonolume`."""

from app.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
