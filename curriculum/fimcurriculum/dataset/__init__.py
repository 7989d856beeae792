"""The data set: which spans are kept, how they are written, the card, a look inside."""
