; What is captured becomes the middle; see python.scm for the names.

[(invocation_expression) (object_creation_expression)] @call
(invocation_expression arguments: (argument_list) @arguments)
(object_creation_expression arguments: (argument_list) @arguments)

(method_declaration body: (block) @function) @function.outer
(constructor_declaration body: (block) @function) @function.outer
(local_function_statement body: (block) @function) @function.outer
(lambda_expression body: (block) @function) @function.outer
(class_declaration body: (declaration_list) @class) @class.outer
(interface_declaration body: (declaration_list) @class) @class.outer
(struct_declaration body: (declaration_list) @class) @class.outer
(record_declaration body: (declaration_list) @class) @class.outer
(enum_declaration body: (enum_member_declaration_list) @class) @class.outer

[
  (if_statement)
  (switch_statement)
  (switch_expression)
  (conditional_expression)
] @conditional
[(for_statement) (foreach_statement) (while_statement) (do_statement)] @loop
(try_statement) @try
(using_directive) @import
(variable_declarator "=" . (_) @assignment)
(assignment_expression right: (_) @assignment)
(return_statement) @return
(parameter type: (_) @type)
(variable_declaration type: (_) @type)
(method_declaration returns: (_) @type)
(property_declaration type: (_) @type)
(attribute_list) @decorator
(interpolated_string_expression (interpolation)) @template_string

((comment) @comment_to_code.comment . (_) @comment_to_code)
(block) @block.container
