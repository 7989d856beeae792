; What is captured becomes the middle; see python.scm for the names.

[(call_expression) (new_expression)] @call
(call_expression arguments: (arguments) @arguments)
(new_expression arguments: (arguments) @arguments)

(function_declaration body: (statement_block) @function) @function.outer
(generator_function_declaration body: (statement_block) @function) @function.outer
(function_expression body: (statement_block) @function) @function.outer
(arrow_function body: (statement_block) @function) @function.outer
(method_definition body: (statement_block) @function) @function.outer
(class_declaration body: (class_body) @class) @class.outer
(class body: (class_body) @class) @class.outer
(abstract_class_declaration body: (class_body) @class) @class.outer
(interface_declaration body: (interface_body) @class) @class.outer
(enum_declaration body: (enum_body) @class) @class.outer

[(if_statement) (switch_statement) (ternary_expression)] @conditional
[(for_statement) (for_in_statement) (while_statement) (do_statement)] @loop
(try_statement) @try
(import_statement) @import
(variable_declarator value: (_) @assignment)
(assignment_expression right: (_) @assignment)
(augmented_assignment_expression right: (_) @assignment)
(return_statement) @return
(type_annotation (_) @type)
(decorator) @decorator
(template_string (template_substitution)) @template_string

((comment) @comment_to_code.comment . (_) @comment_to_code)
[(program) (statement_block)] @block.container
