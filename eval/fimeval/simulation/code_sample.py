"""Places in code at which simulated users ask; short, so that many can be asked for."""

__all__ = ["SAMPLES"]

SAMPLES = (
    ("def area(radius):\n    return ", "\n"),
    ("import json\n\n\ndef load(path):\n    with open(path) as file:\n        return ", "\n"),
    ("names = [user.name for user in ", "]\n"),
    ("for key, value in sorted(", "):\n    print(key, value)\n"),
    ("class Queue:\n    def __init__(self):\n        self.items = ", "\n"),
    ("def is_even(number):\n    ", "\n\n\nprint(is_even(4))\n"),
    ("total = sum(", ")\nprint(total)\n"),
    ("try:\n    value = int(text)\nexcept ", ":\n    value = 0\n"),
)
"""Text before and behind each cursor."""
