"""The command line: one file per command, imported only when that command runs.

Composes the other rooms, and is the only one that prints, sets up logging and ends the process.
"""
