; What is captured becomes the middle; see python.scm for the names.

[(call_expression) (new_expression)] @call
(call_expression arguments: (argument_list) @arguments)
(new_expression arguments: (argument_list) @arguments)

(function_definition body: (compound_statement) @function) @function.outer
(lambda_expression body: (compound_statement) @function) @function.outer
(class_specifier body: (field_declaration_list) @class) @class.outer
(struct_specifier body: (field_declaration_list) @class) @class.outer

[(if_statement) (switch_statement) (conditional_expression)] @conditional
[(for_statement) (for_range_loop) (while_statement) (do_statement)] @loop
(try_statement) @try
[(preproc_include) (using_declaration)] @import
(init_declarator value: (_) @assignment)
(assignment_expression right: (_) @assignment)
(return_statement) @return
(parameter_declaration type: (_) @type)
(declaration type: (_) @type)
(field_declaration type: (_) @type)
(attribute_declaration) @decorator
; A literal sent to a stream with what is computed.
(binary_expression operator: "<<" right: (string_literal)) @template_string

((comment) @comment_to_code.comment . (_) @comment_to_code)
(compound_statement) @block.container
