"""How hard a span is to complete: by a model's answers, by users' acceptance, by its syntax."""
