"""The golden example's prompt in every family and order, written out."""

from support.golden_example import PREFIX, SUFFIX

P, S = PREFIX, SUFFIX
COMMENTS = (
    "# Path: utils.py\n# def double(x):\n#     return x * 2\n#\n# Path: config.py\n# LIMIT = 10\n"
)

SINGLE_FILE_GOLDENS = {
    ("santacoder", "psm"): f"<fim-prefix>{P}<fim-suffix>{S}<fim-middle>",
    ("santacoder", "spm"): f"<fim-prefix><fim-suffix>{S}<fim-middle>{P}",
    ("starcoder", "psm"): f"<fim_prefix>{P}<fim_suffix>{S}<fim_middle>",
    ("starcoder", "spm"): f"<fim_prefix><fim_suffix>{S}<fim_middle>{P}",
    ("starcoder2", "psm"): f"<fim_prefix>{P}<fim_suffix>{S}<fim_middle>",
    ("deepseek-coder", "psm"): f"<｜fim▁begin｜>{P}<｜fim▁hole｜>{S}<｜fim▁end｜>",
    ("deepseek-coder", "spm"): f"<｜fim▁begin｜><｜fim▁hole｜>{S}<｜fim▁end｜>{P}",
    ("qwen2.5-coder", "psm"): f"<|fim_prefix|>{P}<|fim_suffix|>{S}<|fim_middle|>",
    ("fimserve", "psm"): f"<|fim_prefix|>{P}<|fim_suffix|>{S}<|fim_middle|>",
    ("fimserve", "spm"): f"<|fim_prefix|><|fim_suffix|>{S}<|fim_middle|>{P}",
    ("codellama", "psm"): f"<PRE> {P} <SUF>{S} <MID>",
    ("codellama", "spm"): f"<PRE> <SUF>{S} <MID> {P}",
    ("codegemma", "psm"): f"<|fim_prefix|>{P}<|fim_suffix|>{S}<|fim_middle|>",
    ("codegemma", "spm"): f"<|fim_prefix|><|fim_suffix|>{S}<|fim_middle|>{P}",
    ("codestral", "spm"): f"[SUFFIX]{S}[PREFIX]{P}",
    ("granite", "psm"): f"<fim_prefix>{P}<fim_suffix>{S}<fim_middle>",
    ("granite4", "psm"): f"<|fim_prefix|>{P}<|fim_suffix|>{S}<|fim_middle|>",
    ("mellum", "spm"): f"<fim_suffix>{S}<fim_prefix>{P}<fim_middle>",
    ("refact", "spm"): f"<fim_suffix>{S}<fim_prefix>{P}<fim_middle>",
    ("refact", "psm"): f"<fim_prefix>{P}<fim_suffix>{S}<fim_middle>",
    ("seed-coder", "spm"): f"<[fim-suffix]>{S}<[fim-prefix]>{P}<[fim-middle]>",
}

QWEN_CONTEXT = (
    "<|repo_name|>demo\n<|file_sep|>utils.py\ndef double(x):\n    return x * 2\n"
    "<|file_sep|>config.py\nLIMIT = 10\n<|file_sep|>main.py\n"
)
CONTEXT_GOLDENS = {
    ("santacoder", "psm"): f"<fim-prefix>{COMMENTS}{P}<fim-suffix>{S}<fim-middle>",
    ("starcoder", "psm"): f"<filename>main.py<fim_prefix>{COMMENTS}{P}<fim_suffix>{S}<fim_middle>",
    ("starcoder", "spm"): f"<filename>main.py<fim_prefix><fim_suffix>{S}<fim_middle>{COMMENTS}{P}",
    ("starcoder2", "psm"): (
        "<repo_name>demo<file_sep>utils.py\ndef double(x):\n    return x * 2\n"
        f"<file_sep>config.py\nLIMIT = 10\n<file_sep><fim_prefix>main.py\n{P}<fim_suffix>{S}"
        "<fim_middle>"
    ),
    ("deepseek-coder", "psm"): (
        "#utils.py\ndef double(x):\n    return x * 2\n\n#config.py\nLIMIT = 10\n\n#main.py\n"
        f"<｜fim▁begin｜>{P}<｜fim▁hole｜>{S}<｜fim▁end｜>"
    ),
    ("qwen2.5-coder", "psm"): f"{QWEN_CONTEXT}<|fim_prefix|>{P}<|fim_suffix|>{S}<|fim_middle|>",
    ("fimserve", "psm"): f"{QWEN_CONTEXT}<|fim_prefix|>{P}<|fim_suffix|>{S}<|fim_middle|>",
    ("fimserve", "spm"): f"{QWEN_CONTEXT}<|fim_prefix|><|fim_suffix|>{S}<|fim_middle|>{P}",
    ("codellama", "psm"): f"<PRE> {COMMENTS}{P} <SUF>{S} <MID>",
    ("codellama", "spm"): f"<PRE> <SUF>{S} <MID> {COMMENTS}{P}",
    ("codegemma", "psm"): (
        "utils.py\ndef double(x):\n    return x * 2\n<|file_separator|>config.py\nLIMIT = 10\n"
        f"<|file_separator|>main.py\n<|fim_prefix|>{P}<|fim_suffix|>{S}<|fim_middle|>"
    ),
    ("codestral", "spm"): (
        f"[SUFFIX]{S}[PREFIX]+++++ utils.py \ndef double(x):\n    return x * 2\n\n"
        f"+++++ config.py \nLIMIT = 10\n\n+++++ main.py\n{P}"
    ),
    ("granite", "psm"): f"<fim_prefix>{COMMENTS}{P}<fim_suffix>{S}<fim_middle>",
    ("granite4", "psm"): f"<|fim_prefix|>{COMMENTS}{P}<|fim_suffix|>{S}<|fim_middle|>",
    ("mellum", "spm"): (
        "<filename>utils.py\ndef double(x):\n    return x * 2\n<filename>config.py\nLIMIT = 10\n"
        f"<filename>main.py\n<fim_suffix>{S}<fim_prefix>{P}<fim_middle>"
    ),
    ("refact", "spm"): f"<fim_suffix>{S}<fim_prefix>{COMMENTS}{P}<fim_middle>",
    ("seed-coder", "spm"): (
        f"<[fim-suffix]>{S}<[fim-prefix]><filename>utils.py\ndef double(x):\n    return x * 2\n"
        f"<filename>config.py\nLIMIT = 10\n<filename>main.py\n{P}<[fim-middle]>"
    ),
}

# A path without snippets: markers of files are written, headers in plain text are not.
PATH_GOLDENS = {
    ("fimserve", "spm"): f"<|file_sep|>main.py\n<|fim_prefix|><|fim_suffix|>{S}<|fim_middle|>{P}",
    ("qwen2.5-coder", "psm"): (
        f"<|file_sep|>main.py\n<|fim_prefix|>{P}<|fim_suffix|>{S}<|fim_middle|>"
    ),
    ("starcoder2", "psm"): f"<file_sep><fim_prefix>main.py\n{P}<fim_suffix>{S}<fim_middle>",
    ("mellum", "spm"): f"<filename>main.py\n<fim_suffix>{S}<fim_prefix>{P}<fim_middle>",
    ("starcoder", "psm"): f"<fim_prefix>{P}<fim_suffix>{S}<fim_middle>",
    ("deepseek-coder", "psm"): f"<｜fim▁begin｜>{P}<｜fim▁hole｜>{S}<｜fim▁end｜>",
    ("codestral", "spm"): f"[SUFFIX]{S}[PREFIX]{P}",
}
