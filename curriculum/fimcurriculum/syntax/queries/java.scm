; What is captured becomes the middle; see python.scm for the names.

[(method_invocation) (object_creation_expression)] @call
(method_invocation arguments: (argument_list) @arguments)
(object_creation_expression arguments: (argument_list) @arguments)

(method_declaration body: (block) @function) @function.outer
(constructor_declaration body: (constructor_body) @function) @function.outer
(lambda_expression body: (block) @function) @function.outer
(class_declaration body: (class_body) @class) @class.outer
(interface_declaration body: (interface_body) @class) @class.outer
(enum_declaration body: (enum_body) @class) @class.outer
(record_declaration body: (class_body) @class) @class.outer

[(if_statement) (switch_expression) (ternary_expression)] @conditional
[(for_statement) (enhanced_for_statement) (while_statement) (do_statement)] @loop
[(try_statement) (try_with_resources_statement)] @try
(import_declaration) @import
(variable_declarator value: (_) @assignment)
(assignment_expression right: (_) @assignment)
(return_statement) @return
(formal_parameter type: (_) @type)
(local_variable_declaration type: (_) @type)
(field_declaration type: (_) @type)
(method_declaration type: (_) @type)
[(marker_annotation) (annotation)] @decorator
; Java has no templates: a literal joined with what is computed.
(binary_expression left: (string_literal) operator: "+") @template_string
(binary_expression operator: "+" right: (string_literal)) @template_string

([(line_comment) (block_comment)] @comment_to_code.comment . (_) @comment_to_code)
[(block) (constructor_body)] @block.container
