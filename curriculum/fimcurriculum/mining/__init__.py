"""Over whole repositories: which files changed, work in pieces, a ledger of what is done."""
