"""The curriculum miner: spans of code that are hard to complete, with what explains them.

`sources` reads repositories, `syntax` finds spans in one file, `hardness` says how hard they are,
`mining` runs over whole repositories, `dataset` chooses, writes and shows. Uses `fimserve.prompt`
and `fimserve.context`; a model's answers come in through a callable or over HTTP, so torch is never
loaded here.
"""
