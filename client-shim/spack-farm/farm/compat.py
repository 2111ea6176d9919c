"""Where the versions of Spack that this extension serves keep their things."""

try:
    import spack.llnl.util.tty as tty
except ImportError:  # Spack 1.0.0
    import llnl.util.tty as tty

__all__ = ["tty"]
