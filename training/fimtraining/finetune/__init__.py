"""Fine-tuning: mined spans -> a mixture -> packed rows -> a LoRA adapter by transformers and peft.

`fimserve train` runs it; a recipe decides everything but paths and the machine.
"""
