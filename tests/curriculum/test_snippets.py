"""Snippets of examples: what explains a middle is there, and the middle itself never is."""

from pathlib import Path

import pytest

from fimcurriculum.recipe import MiningRecipe
from fimserve.context import node_packages
from support.mined import MineDesk
from support.npm import install_npm
from support.source_texts import make_python

RATES = '''"""Rates of exchange, as banks tell them every morning."""

TABLE = {}


def convert_currency(amount, source, target):
    """Return an amount in another currency."""
    return amount * TABLE[source] / TABLE[target]
'''

INVOICE = '''"""Invoices and what is to be paid for them."""

from shop.rates import convert_currency


def total_of(invoice, currency):
    """Return what is to be paid."""
    total = 0
    for line in invoice.lines:
        total += convert_currency(line.amount, line.currency, currency)
    return total
'''


@pytest.fixture
def shop(tmp_path: Path) -> MineDesk:
    desk = MineDesk(tmp_path)
    files: dict[str, str | bytes] = {"shop/rates.py": RATES, "shop/invoice.py": INVOICE}
    desk.clones = [desk.add("ivy+india", files | {"shop/other.py": make_python(40)})]
    return desk


def test_a_call_comes_with_the_definition_in_another_file(shop: MineDesk) -> None:
    shop.mine(recipe=MiningRecipe(kinds=("call", "loop")))
    rows = [row for row in shop.rows() if "convert_currency" in row["middle"]]
    assert rows
    for row in rows:
        assert row["num_foreign_symbols"] == 1
        definitions = [s for s in row["snippets"] if s["reason"] == "definition"]
        assert [s["path"] for s in definitions] == ["shop/rates.py"]
        assert "def convert_currency(amount, source, target):" in definitions[0]["text"]


def test_no_snippet_is_of_the_file_itself_or_holds_the_middle(shop: MineDesk) -> None:
    shop.mine(recipe=MiningRecipe(max_snippet_tokens=4000))
    rows = shop.rows()
    assert any(row["snippets"] for row in rows)
    for row in rows:
        for snippet in row["snippets"]:
            assert snippet["path"] != row["path"]
            if len(row["middle"]) > 20:
                assert row["middle"] not in snippet["text"]


def test_jedi_is_asked_where_the_recipe_says_so(shop: MineDesk) -> None:
    alias = INVOICE.replace("import convert_currency", "import convert_currency as turn").replace(
        "total += convert_currency(", "total += turn("
    )
    clone = shop.add("jon+juliet", {"shop/rates.py": RATES, "shop/invoice.py": alias})
    shop.mine(clone, recipe=MiningRecipe(kinds=("call",), project_definitions=True))
    (row,) = [row for row in shop.rows() if row["middle"].startswith("turn(")]
    assert [(s["path"], s["reason"]) for s in row["snippets"]][:1] == [
        ("shop/rates.py", "definition")
    ]


WORKSPACE: dict[str, str | bytes] = {
    "tsconfig.json": '{"compilerOptions": {"paths": {"@app/*": ["./apps/web/src/*"]}}}',
    "packages/core/package.json": '{"name": "@demo/core"}',
    "packages/core/src/index.ts": (
        "/** Opens the port that the whole of the program listens at. */\n"
        "export function start(port: number): number {\n  return port + 1;\n}\n"
    ),
    "apps/web/src/log.ts": (
        "/** Writes a line for whoever looks after the program at night. */\n"
        "export function note(line: string): void {\n  console.log(line);\n}\n"
    ),
    "apps/web/src/main.ts": (
        'import { start as open } from "@demo/core";\nimport { note as tell } from "@app/log";\n\n'
        "export function main(port: number): void {\n"
        "  const opened = open(port * 2);\n  tell(`at ${opened}`);\n}\n"
    ),
}


def test_the_compiler_is_told_the_names_of_packages_and_paths(
    shop: MineDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    packages = install_npm(Path(node_packages.__file__).parent / node_packages.FOLDER)
    monkeypatch.setattr("fimserve.context.project_finder.install_typescript", lambda: packages)
    clone = shop.add("kim+kilo", WORKSPACE)
    recipe = MiningRecipe(kinds=("call",), project_definitions=True)
    summary = shop.mine(clone, recipe=recipe)
    assert not summary.definitions_left_out
    definitions = {
        row["middle"]: [s["path"] for s in row["snippets"] if s["reason"] == "definition"]
        for row in shop.rows()
        if row["path"] == "apps/web/src/main.ts"
    }
    assert definitions == {
        "open(port * 2)": ["packages/core/src/index.ts"],
        "tell(`at ${opened}`)": ["apps/web/src/log.ts"],
    }
