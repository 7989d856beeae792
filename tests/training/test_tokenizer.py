"""The tokenizer keeps its promises: markers first, digits apart, no text lost."""

import json
from pathlib import Path

import pytest
import typer
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer
from transformers import AutoTokenizer
from typer.testing import CliRunner

from fimserve.prompt import Renderer, TextEncoder, load_format
from fimtraining.tokenizer import MARKERS, main, sample_texts, save_tokenizer, train_tokenizer
from support.source_texts import make_go, make_python
from support.tiny_corpus import write_tiny_corpus

VOCAB_SIZE = 700
ODD_TEXTS = (
    "größe = 'naïve'\n",
    "数 = '漢字仮名'\n",
    "emoji = '👩‍👩‍👧 🇩🇪 é́'\n",
    "\t \t  x\r\n\r\n\v\f\u00a0\u2028\u3000y\n",
    "\x00\x01\x7f\ufeff\ufffd\U0010ffff",
    "0123456789 ٣٤٥ ⅷ ½ ²",
    "don't we'll I'M",
    "العربية עברית",
    " ".join(MARKERS),
    "",
)


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    texts = [make_python(seed) for seed in range(60)] + [make_go(seed) for seed in range(60)]
    numbers = "".join(f"value{n} = {n * 7919}\n" for n in range(200))
    return train_tokenizer(iter([*texts, numbers]), VOCAB_SIZE, len(texts) + 1)


@pytest.fixture(scope="module")
def directory(tokenizer: Tokenizer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("trained")
    save_tokenizer(tokenizer, directory, max_tokens=512)
    return directory


@pytest.fixture(scope="module")
def encoder(directory: Path) -> TextEncoder:
    return TextEncoder.from_file(directory / "tokenizer.json")


def test_markers_have_the_first_ids(tokenizer: Tokenizer) -> None:
    assert [tokenizer.token_to_id(marker) for marker in MARKERS] == list(range(7))
    assert MARKERS[0] == "<|endoftext|>"
    assert MARKERS[1:4] == ("<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>")


def test_vocabulary_has_the_size_asked_for(tokenizer: Tokenizer) -> None:
    assert tokenizer.get_vocab_size() == VOCAB_SIZE
    assert sorted(tokenizer.get_vocab().values()) == list(range(VOCAB_SIZE))


def test_digits_are_split_one_by_one(tokenizer: Tokenizer) -> None:
    tokens = tokenizer.encode("value = 31415 + x27182y").tokens
    digits = [token for token in tokens if any(c.isdigit() for c in token)]
    assert [token.strip("Ġ") for token in digits] == list("3141527182")
    vocabulary = [token for token in tokenizer.get_vocab() if len(token) > 1]
    assert not [token for token in vocabulary if any(c.isascii() and c.isdigit() for c in token)]


def test_indentation_is_one_token(tokenizer: Tokenizer) -> None:
    tokens = tokenizer.encode("        return value\n    pass\n").tokens
    assert tokens[0] == "Ġ" * 7  # the last blank belongs to the word
    assert "Ġreturn" in tokens


@pytest.mark.parametrize("text", ODD_TEXTS)
def test_odd_text_comes_back(text: str, encoder: TextEncoder) -> None:
    assert encoder.decode(encoder.encode(text)) == text


@settings(deadline=None)
@given(text=st.text())
def test_any_text_comes_back(text: str, encoder: TextEncoder) -> None:
    ids = encoder.encode(text)
    assert encoder.decode(ids) == text
    assert all(7 <= token_id < VOCAB_SIZE for token_id in ids)


def test_renderer_takes_the_tokenizer(encoder: TextEncoder) -> None:
    renderer = Renderer(load_format("fimserve"), encoder)
    assert renderer.end_token_id == 0


def test_transformers_reads_the_same_ids(directory: Path, tokenizer: Tokenizer) -> None:
    theirs = AutoTokenizer.from_pretrained(directory)
    for text in (make_python(999), make_go(999), *ODD_TEXTS):
        assert theirs(text, add_special_tokens=False)["input_ids"] == tokenizer.encode(text).ids
    assert theirs("x = 1")["input_ids"] == tokenizer.encode("x = 1").ids  # nothing is put before
    assert (theirs.eos_token_id, theirs.pad_token_id) == (0, 4)
    assert theirs.model_max_length == 512
    assert theirs.decode(theirs("a , b !")["input_ids"]) == "a , b !"


def test_training_is_repeatable(tokenizer: Tokenizer) -> None:
    texts = [make_python(seed) for seed in range(20)]
    one, other = (train_tokenizer(iter(texts), 400, len(texts)).to_str() for _ in range(2))
    assert one == other


# ------------------------------------------------------------------------------------ the sample


def test_sample_is_whole_documents_below_the_limit(tmp_path: Path) -> None:
    write_tiny_corpus(tmp_path, num_train=40, num_shards=2)
    everything = sample_texts(tmp_path, 10**9, seed=1)
    assert len(everything) == 40
    some = sample_texts(tmp_path, 12_000, seed=1)
    assert set(some) < set(everything)
    assert 6_000 < sum(map(len, some)) <= 12_000


def test_sample_follows_the_seed(tmp_path: Path) -> None:
    write_tiny_corpus(tmp_path, num_train=40)
    assert sample_texts(tmp_path, 9_000, seed=1) == sample_texts(tmp_path, 9_000, seed=1)
    assert sample_texts(tmp_path, 9_000, seed=1) != sample_texts(tmp_path, 9_000, seed=2)


def test_sample_never_reads_the_validation_split(tmp_path: Path) -> None:
    write_tiny_corpus(tmp_path, num_train=8, num_validation=4)
    assert len(sample_texts(tmp_path, 10**9, seed=1)) == 8


def test_sample_without_a_corpus_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="build the corpus first"):
        sample_texts(tmp_path, 1000, seed=1)


def test_command_trains_and_reports(tmp_path: Path) -> None:
    app = typer.Typer()
    app.command()(main)
    corpus = write_tiny_corpus(tmp_path / "corpus")
    arguments = [str(corpus), "--out", str(tmp_path / "out"), "--vocab-size", "400"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert "400 entries" in result.output
    assert "bytes per token" in result.output
    config = json.loads((tmp_path / "out" / "tokenizer_config.json").read_text())
    assert config["eos_token"] == MARKERS[0]
    saved = Tokenizer.from_file(str(tmp_path / "out" / "tokenizer.json"))
    assert saved.get_vocab_size() == 400
