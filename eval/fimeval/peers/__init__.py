"""Other people's completion servers on the same weights, to be measured beside fimserve.

Nothing here is imported by the rest; what it needs is the optional extra `peers`.
"""
