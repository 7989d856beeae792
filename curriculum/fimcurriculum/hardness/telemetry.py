"""Hardness by what users did: the share of shown suggestions that were not accepted, per kind.

Events name the syntax node at the cursor as the grammar calls it. That name is brought to one of
our kinds here; the counts themselves are read by the caller, who may know the event store.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from fimcurriculum.schema import Kind

__all__ = ["Acceptance", "kind_of_node", "refusal_by_kind"]

PRIOR_SHOWN = 50.0
"""Suggestions by which a kind's share is drawn to the share of all: a kind that was shown 50 times
stands half way between its own share and that of all."""

_NODES: Mapping[str, Kind] = {
    node: kind
    for kind, nodes in {
        Kind.CALL: "call call_expression new_expression method_invocation invocation_expression "
        "object_creation_expression macro_invocation",
        Kind.FUNCTION: "function_definition function_declaration method_definition "
        "method_declaration constructor_declaration function_item arrow_function "
        "function_expression func_literal closure_expression lambda_expression "
        "local_function_statement",
        Kind.CLASS: "class_definition class_declaration class_body interface_declaration "
        "interface_body enum_declaration record_declaration type_declaration type_spec "
        "struct_type struct_item impl_item trait_item enum_item class_specifier "
        "struct_specifier struct_declaration declaration_list field_declaration_list",
        Kind.CONDITIONAL: "if_statement if_expression elif_clause else_clause "
        "conditional_expression ternary_expression switch_statement switch_expression "
        "match_statement match_expression expression_switch_statement type_switch_statement "
        "select_statement",
        Kind.LOOP: "for_statement for_in_statement for_range_loop enhanced_for_statement "
        "foreach_statement for_expression while_statement while_expression do_statement "
        "loop_expression",
        Kind.TRY: "try_statement try_with_resources_statement except_clause catch_clause",
        Kind.IMPORT: "import_statement import_from_statement import_declaration import_spec "
        "use_declaration using_directive preproc_include",
        Kind.ASSIGNMENT: "assignment augmented_assignment assignment_expression "
        "variable_declarator lexical_declaration short_var_declaration assignment_statement "
        "let_declaration init_declarator local_variable_declaration",
        Kind.ARGUMENTS: "argument_list arguments",
        Kind.RETURN: "return_statement return_expression",
        Kind.TYPE: "type type_annotation type_identifier type_arguments generic_type",
        Kind.DECORATOR: "decorator annotation marker_annotation attribute_item attribute_list",
        Kind.TEMPLATE_STRING: "template_string interpolation template_substitution "
        "interpolated_string_expression",
        Kind.COMMENT_TO_CODE: "comment line_comment block_comment",
        Kind.BLOCK: "block statement_block compound_statement module program source_file",
    }.items()
    for node in nodes.split()
}


@dataclass(frozen=True, slots=True)
class Acceptance:
    """How often suggestions at one syntax node were shown and accepted."""

    language: str
    """As the language server protocol calls it."""
    node: str
    """Kind of the node, as the grammar calls it."""
    num_shown: int
    num_accepted: int


def kind_of_node(node: str) -> Kind | None:
    """Return the kind that a node of a grammar belongs to, or None."""
    return _NODES.get(node)


def refusal_by_kind(counts: Iterable[Acceptance]) -> dict[str, float]:
    """Return per kind the share of suggestions that were refused, drawn to the share of all.

    Args:
        counts: What was shown and accepted, by node.

    Returns:
        Kind -> 0 to 1; kinds that were never shown are absent.
    """
    shown: defaultdict[str, int] = defaultdict(int)
    accepted: defaultdict[str, int] = defaultdict(int)
    for count in counts:
        if (kind := kind_of_node(count.node)) is not None:
            shown[kind.value] += count.num_shown
            accepted[kind.value] += count.num_accepted
    num_shown, num_accepted = sum(shown.values()), sum(accepted.values())
    if num_shown == 0:
        return {}
    overall = num_accepted / num_shown
    return {
        kind: 1 - (accepted[kind] + PRIOR_SHOWN * overall) / (shown[kind] + PRIOR_SHOWN)
        for kind in shown
        if shown[kind]
    }
