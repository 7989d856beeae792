"""Make base models and adapters: corpus, tokenizer, pretraining.

Knows prompts (`fimserve.prompt`) and model shapes (`fimserve.models`), never the engine or the
server. Entry points are modules: `python -m fimtraining.corpus`, `python -m fimtraining.tokenizer`,
`python -m fimtraining.pretrain`.
"""
