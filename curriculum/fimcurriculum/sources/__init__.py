"""Source files of local clones: read without a check-out, filtered, scrubbed, kept from benchmarks.

What the corpus of the base models and the miner have in common. Knows nothing of prompts, spans or
training, and imports nothing else of ours.
"""
