; What is captured becomes the middle; see python.scm for the names. Rust has no try statement.

[(call_expression) (macro_invocation)] @call
(call_expression arguments: (arguments) @arguments)

(function_item body: (block) @function) @function.outer
(closure_expression body: (block) @function) @function.outer
(struct_item body: (field_declaration_list) @class) @class.outer
(enum_item body: (enum_variant_list) @class) @class.outer
(impl_item body: (declaration_list) @class) @class.outer
(trait_item body: (declaration_list) @class) @class.outer

[(if_expression) (match_expression)] @conditional
[(for_expression) (while_expression) (loop_expression)] @loop
(use_declaration) @import
(let_declaration value: (_) @assignment)
(assignment_expression right: (_) @assignment)
(compound_assignment_expr right: (_) @assignment)
(return_expression) @return
(parameter type: (_) @type)
(let_declaration type: (_) @type)
(function_item return_type: (_) @type)
(field_declaration type: (_) @type)
(attribute_item) @decorator
; A format with its values, as in `println!("{}", x)`.
(macro_invocation (token_tree . (string_literal) (_)) @template_string)

([(line_comment) (block_comment)] @comment_to_code.comment . (_) @comment_to_code)
(block) @block.container
