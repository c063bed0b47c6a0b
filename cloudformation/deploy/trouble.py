"""What ends a command with a message."""


class Trouble(Exception):
    """What is wrong, and what to do."""
